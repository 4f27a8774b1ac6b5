"""A model hub on a loopback port: as much of Hugging Face's and ModelScope's HTTP API as a download needs.

    with HubServer("HIT-SCIR/huozi3.5", {"config.json": b"{}", ...}) as hub:
        open_hub("huggingface", hub.root_url)

`break_after` bytes of a file the connection is cut, once for each name in it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.loopback import JsonHandler, LoopbackServer

COMMIT = "a" * 40
LFS = (".safetensors", ".gguf", ".bin")


class HubServer(LoopbackServer):
    """A hub with one repository.

    Args:
        repo: `OWNER/NAME`.
        files: Path -> content.
        break_after: Path -> bytes after which its first download is cut.

    Attributes:
        asked: Every (method, path, Range header) in order.
        broken: Paths whose download was cut.
    """

    def __init__(self, repo: str, files: Mapping[str, bytes], *, break_after: Mapping[str, int] | None = None) -> None:
        super().__init__(_handler_of(self))
        self.repo = repo
        self.files = dict(files)
        self.break_after = dict(break_after or {})
        self.promised: dict[str, str] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        self.broken: list[str] = []

    def sha256(self, path: str) -> str:
        """What the hub says of a file's content; `promised` lets it lie."""
        return self.promised.get(path, hashlib.sha256(self.files[path]).hexdigest())

    def gets(self, path: str) -> list[str | None]:
        """Return the Range headers with which a file was asked for."""
        return [header for method, asked, header in self.asked if method == "GET" and asked.endswith(path)]


def _handler_of(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(JsonHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            parts = urlsplit(self.path)
            path, query = unquote(parts.path), parse_qs(parts.query)
            hub.asked.append((self.command, path, self.headers.get("Range")))
            if found := re.fullmatch(rf"/{hub.repo}/resolve/[^/]+/(.+)", path):
                self._file(found[1], with_body)
            elif path == f"/api/v1/models/{hub.repo}/repo":
                hub.asked[-1] = (self.command, query["FilePath"][0], self.headers.get("Range"))
                self._file(query["FilePath"][0], with_body)
            elif path == f"/api/v1/models/{hub.repo}/repo/files":
                self.reply(
                    200, {"Code": 200, "Success": True, "Data": {"Files": [_modelscope(name) for name in hub.files]}}
                )
            elif path == f"/api/v1/models/{hub.repo}/revisions":
                revisions = {"Branches": [{"Revision": "master"}], "Tags": []}
                self.reply(200, {"Code": 200, "Success": True, "Data": {"RevisionMap": revisions}})
            elif path.startswith(f"/api/models/{hub.repo}/tree/"):
                self.reply(200, [_huggingface(name) for name in hub.files])
            elif re.fullmatch(rf"/api/models/{hub.repo}(/revision/[^/]+)?", path):
                siblings = [{"rfilename": name} | _huggingface(name) for name in hub.files]
                self.reply(200, {"id": hub.repo, "modelId": hub.repo, "sha": COMMIT, "siblings": siblings})
            else:
                self.reply(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})

        def _file(self, name: str, with_body: bool) -> None:
            if name not in hub.files:
                self.reply(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})
                return
            data = hub.files[name]
            start, status = 0, 200
            if found := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
                start, status = int(found[1]), 206
                data = data[: int(found[2]) + 1] if found[2] else data
            self.send_response(status)
            etag = f'"{hub.sha256(name)}"'
            self.send_header("Content-Length", str(len(data) - start))
            self.send_header("ETag", etag)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Accept-Ranges", "bytes")
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(hub.files[name])}")
            if name.endswith(LFS):
                self.send_header("X-Linked-Etag", etag)
                self.send_header("X-Linked-Size", str(len(hub.files[name])))
            self.end_headers()
            if with_body:
                self._send(name, data[start:])

        def _send(self, name: str, data: bytes) -> None:
            cut = hub.break_after.pop(name, None)
            if cut is None:
                self.wfile.write(data)
                return
            hub.broken.append(name)
            self.wfile.write(data[:cut])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()

    def _huggingface(name: str) -> dict[str, Any]:
        size, digest = len(hub.files[name]), hub.sha256(name)
        lfs = {"lfs": {"oid": digest, "sha256": digest, "size": size, "pointerSize": 134}} if name.endswith(LFS) else {}
        return {"type": "file", "path": name, "size": size, "oid": digest[:40], "blobId": digest[:40], **lfs}

    def _modelscope(name: str) -> dict[str, Any]:
        return {"Path": name, "Name": name, "Size": len(hub.files[name]), "Type": "blob", "Sha256": hub.sha256(name)}

    return Handler
