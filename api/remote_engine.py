"""The engine that asks the service which owns the data folder, over loopback HTTP with the owner's token.

One protocol for all commands: `POST /owner/COMMAND` with the arguments as JSON; the reply is one JSON object a line:
any number of `{"event": ...}`, then `{"result": ...}` or `{"error": ...}`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx

from api.objects import Json, read_error
from ingest.report import IngestFailure, IngestProgress, IngestReport
from retrieval.errors import DataFolderOwnedError, HuoziError, Message
from retrieval.owner import Owner

if TYPE_CHECKING:
    from assistant.events import Turn

CONNECT_TRIES = 50
CONNECT_PAUSE_S = 0.1


class RemoteEngine:
    """Lets the owner of the data folder do the work.

    Args:
        owner: Where it answers, and the token that opens its door.
        client: For tests; None: a real one, which no proxy of the environment stands between.
    """

    def __init__(self, owner: Owner, client: httpx.Client | None = None) -> None:
        self._owner = owner
        self._client = client or httpx.Client(
            base_url=owner.url or "", timeout=httpx.Timeout(None, connect=5), trust_env=False
        )

    def ingest(
        self,
        paths: Sequence[str],
        collection: str,
        *,
        delete_missing: bool = False,
        allow_empty: bool = False,
        ocr: bool = False,
        progress: Callable[[IngestProgress], None] | None = None,
    ) -> IngestReport:
        """Bring files and folders into a collection; the owner reads them by their absolute paths."""
        absolute = [os.path.abspath(os.path.expanduser(path)) for path in paths]
        arguments = {
            "paths": absolute,
            "collection": collection,
            "delete_missing": delete_missing,
            "allow_empty": allow_empty,
            "ocr": ocr,
        }
        for kind, value in self._lines("ingest", arguments):
            if kind == "result":
                return read_report(value)
            if progress is not None:
                progress(IngestProgress(**value))
        raise self._broke_off()

    def ask(self, question: str, history: Sequence[Turn], collection: str, *, trace: bool = False) -> Iterator[Json]:
        """Answer as events."""
        turns = [asdict(turn) for turn in history]
        arguments = {"question": question, "history": turns, "collection": collection, "trace": trace}
        for kind, value in self._lines("ask", arguments):
            if kind == "result":
                return
            yield value
        raise self._broke_off()

    def search(self, question: str, collection: str, top_k: int, filters: Mapping[str, str]) -> Json:
        """Return the contract's search object."""
        return self._object("search", question=question, collection=collection, top_k=top_k, filters=dict(filters))

    def list_collections(self) -> list[Json]:
        """Return every collection."""
        return self._list("list_collections")

    def show_collection(self, name: str) -> Json:
        """Return one collection."""
        return self._object("show_collection", name=name)

    def create_collection(self, name: str) -> Json:
        """Create an empty collection."""
        return self._object("create_collection", name=name)

    def delete_collection(self, name: str) -> Json:
        """Delete a collection with all it holds; returns what it was."""
        return self._object("delete_collection", name=name)

    def list_documents(self, collection: str) -> list[Json]:
        """Return a collection's documents."""
        return self._list("list_documents", collection=collection)

    def show_document(self, document: str, collection: str) -> Json:
        """Return a document by id, or by source within the collection, with its `text`."""
        return self._object("show_document", document=document, collection=collection)

    def delete_document(self, document: str, collection: str) -> Json:
        """Delete a document; returns what it was."""
        return self._object("delete_document", document=document, collection=collection)

    def list_jobs(self, collection: str | None, states: Sequence[str], limit: int) -> list[Json]:
        """Return jobs, newest first."""
        return self._list("list_jobs", collection=collection, states=list(states), limit=limit)

    def show_job(self, job_id: str) -> Json:
        """Return one job."""
        return self._object("show_job", job_id=job_id)

    def cancel_job(self, job_id: str) -> Json:
        """End a job that has not ended; returns it."""
        return self._object("cancel_job", job_id=job_id)

    def retry_job(self, job_id: str) -> Json:
        """Queue a failed job again; the owner works on it."""
        return self._object("retry_job", job_id=job_id)

    def list_keys(self) -> list[Json]:
        """Return every API key, without secrets."""
        return self._list("list_keys")

    def create_key(self, name: str) -> Json:
        """Create an API key; the only time that its `secret` is told."""
        return self._object("create_key", name=name)

    def revoke_key(self, key_id: str) -> Json:
        """Make an API key unusable."""
        return self._object("revoke_key", key_id=key_id)

    def check(self, repair: bool) -> Json:
        """Compare catalog, indexes and files; mend if asked."""
        return self._object("check", repair=repair)

    def __enter__(self) -> Self:
        """Return the engine."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._client.close()

    def _object(self, command: str, **arguments: Any) -> Json:
        value: Json = self._result(command, arguments)
        return value

    def _list(self, command: str, **arguments: Any) -> list[Json]:
        value: list[Json] = self._result(command, arguments)
        return value

    def _result(self, command: str, arguments: Json) -> Any:
        for kind, value in self._lines(command, arguments):
            if kind == "result":
                return value
        raise self._broke_off()

    def _lines(self, command: str, arguments: Json) -> Iterator[tuple[str, Any]]:
        headers = {"authorization": f"Bearer {self._owner.token}"}
        request = self._client.build_request("POST", f"/owner/{command}", json=arguments, headers=headers)
        response = self._send(request)
        try:
            if response.status_code != httpx.codes.OK:
                raise self._refused(response)
            for line in response.iter_lines():
                ((kind, value),) = json.loads(line).items()
                if kind == "error":
                    raise read_error(value)
                yield kind, value
        except httpx.HTTPError as exc:
            raise self._broke_off() from exc
        finally:
            response.close()

    def _send(self, request: httpx.Request) -> httpx.Response:
        """Send a request; an owner that is just starting holds its folder before it listens."""
        for attempt in range(CONNECT_TRIES):
            try:
                return self._client.send(request, stream=True)
            except httpx.ConnectError as exc:
                if attempt == CONNECT_TRIES - 1:
                    raise self._unreachable() from exc
                time.sleep(CONNECT_PAUSE_S)
            except httpx.HTTPError as exc:
                raise self._unreachable() from exc
        raise AssertionError("the last attempt returns or raises")

    def _unreachable(self) -> HuoziError:
        owner = self._owner
        return DataFolderOwnedError(
            Message(
                en=f"The service that owns the data folder (process {owner.pid}) does not answer at {owner.url!r}.",
                zh=f"占用数据目录的服务（进程 {owner.pid}）在 {owner.url!r} 没有应答。",
            ),
            hint=Message(en="Wait a moment, or restart it.", zh="请稍候再试，或重启该服务。"),
            url=owner.url,
        )

    def _refused(self, response: httpx.Response) -> HuoziError:
        response.read()
        try:
            told = str(response.json()["error"]["message"])
        except (ValueError, KeyError, TypeError):
            told = f"HTTP {response.status_code}"
        return DataFolderOwnedError(
            Message(
                en=f"The service at {self._owner.url!r} refused the command: {told}",
                zh=f"位于 {self._owner.url!r} 的服务拒绝了这条命令：{told}",
            ),
            url=self._owner.url,
        )

    def _broke_off(self) -> HuoziError:
        return DataFolderOwnedError(
            Message(
                en=f"The service at {self._owner.url!r} stopped before the command was done.",
                zh=f"位于 {self._owner.url!r} 的服务在命令完成前停止了。",
            ),
            hint=Message(
                en="Start it again and repeat the command; what was finished is kept.",
                zh="请重新启动服务后再执行一次；已完成的部分已保存。",
            ),
            url=self._owner.url,
        )


def read_report(body: Json) -> IngestReport:
    """Return the report as the owner sent it, with both languages of its messages."""
    failed = [IngestFailure(one["source"], one["code"], Message(*one["message"])) for one in body["failed"]]
    warnings = [(source, Message(*message)) for source, message in body["warnings"]]
    return IngestReport(**{**body, "failed": failed, "warnings": warnings})
