"""A request's files -> originals that wait: hashed and limited while they are read, gone unless they are kept.

What arrives is written below the data folder, never whole in memory and nowhere else; a client that hangs up, a broken
form and a file over the limit leave nothing behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect, Request

from api.errors import RequestError, RequestTooLargeError
from api.uploading.multipart import MultipartReader, PartBegin, PartData, PartEnd
from api.uploading.names import distinct, safe_name, safe_path
from ingest.errors import FileTooLargeError
from retrieval.errors import HuoziError, Message
from retrieval.originals import Incoming, Originals

MAX_FILES = 10_000
"""Files of one request."""
MAX_FIELD_BYTES = 64 * 1024
"""Longest field that is no file."""
MAX_FIELDS_BYTES = 8 * 1024 * 1024
"""All fields that are no files together."""
DRAIN_FACTOR = 8
"""A file over the limit is read on, unstored, up to this many times the limit: who hears no answer while sending sees a
broken connection instead of the reason."""
WRITE_BYTES = 1024 * 1024
"""Bytes that go to the disk together."""
WRITERS = 4
"""Files made durable at the same time."""

FILE_FIELDS = frozenset({"file", "files", "file[]", "files[]"})


@dataclass(frozen=True, slots=True)
class Received:
    """A file that arrived whole.

    Args:
        name: Its safe name, with folders.
        incoming: Its bytes, durable but not kept yet.
    """

    name: str
    incoming: Incoming


@dataclass(slots=True)
class Form:
    """What a form held.

    Args:
        files: Whole files, in their order; no two have the same name.
        refused: One for each file over the limit.
        fields: Everything else by name.
    """

    files: list[Received] = field(default_factory=list)
    refused: list[FileTooLargeError] = field(default_factory=list)
    fields: dict[str, list[str]] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """Return a field's last value, or None."""
        return self.fields[name][-1] if name in self.fields else None


@asynccontextmanager
async def receiving(request: Request, originals: Originals, max_mb: int) -> AsyncIterator[Form]:
    """Read a form with its files; what is not kept when the block ends is deleted.

    Args:
        request: Its body has not been read.
        originals: Where the bytes will belong.
        max_mb: Largest file, in units of 1024 * 1024 bytes.

    Raises:
        RequestError: If it is no form, or broke off.
        RequestTooLargeError: If it has too many files or fields.
        DataFolderError: If the bytes cannot be written.
    """
    receiver = _Receiver(originals, max_mb)
    try:
        reader = MultipartReader(request.headers.get("content-type", ""))
        async for data in request.stream():
            for event in reader.feed(data):
                await receiver.take(event)
        reader.finish()
        yield await receiver.form()
    finally:
        # Also when the request is being cancelled.
        await asyncio.shield(receiver.discard())


@asynccontextmanager
async def heard_out(request: Request, max_mb: int) -> AsyncIterator[None]:
    """Read what is left of a body when it is refused: who is still sending would not hear why."""
    try:
        yield
    except HuoziError:
        size = 0
        with suppress(ClientDisconnect, RuntimeError):  # gone; read to its end already
            async for data in request.stream():
                size += len(data)
                if size > DRAIN_FACTOR * max_mb * 1024 * 1024:
                    break
        raise


class _File:
    """The file that is being read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.size = 0
        self.buffer = bytearray()
        self.incoming: Incoming | None = None


class _Receiver:
    """Takes a form's parts as they come; the disk's work is done in threads."""

    def __init__(self, originals: Originals, max_mb: int) -> None:
        self._originals = originals
        self._max_mb = max_mb
        self._limit = max_mb * 1024 * 1024
        self._file: _File | None = None
        self._field: tuple[str, bytearray] | None = None
        self._fields: dict[str, list[str]] = {}
        self._fields_bytes = 0
        self._names: list[str] = []
        self._arrived: list[Incoming | int] = []  # of a file over the limit, its size
        self._finishing: set[asyncio.Task[None]] = set()
        self._opened: list[Incoming] = []

    async def take(self, event: PartBegin | PartData | PartEnd) -> None:
        """Go on with one event of the form."""
        if isinstance(event, PartBegin):
            self._begin(event)
        elif isinstance(event, PartEnd):
            await self._end()
        elif self._file is not None:
            await self._add_bytes(self._file, event.data)
        elif self._field is not None:
            self._add_text(self._field[1], event.data)

    async def form(self) -> Form:
        """Return what arrived, when all of it is durable."""
        await asyncio.gather(*self._finishing)
        form = Form(fields=self._fields)
        files = list(zip(self._paths(), self._arrived, strict=True))
        whole = [(name, one) for name, one in files if isinstance(one, Incoming)]
        # A field that no file was chosen for comes as a file without name and bytes.
        whole = [(name, one) for name, one in whole if name or one.size]
        names = distinct([safe_name(name, one.content_hash) for name, one in whole])
        form.files = [Received(name, one) for name, (_, one) in zip(names, whole, strict=True)]
        form.refused = [
            FileTooLargeError(safe_path(name) or "?", one, self._max_mb) for name, one in files if isinstance(one, int)
        ]
        return form

    async def discard(self) -> None:
        """Delete what was not kept."""
        await asyncio.gather(*self._finishing, return_exceptions=True)

        def discard_all() -> None:
            for incoming in self._opened:
                incoming.discard()

        await asyncio.to_thread(discard_all)

    def _begin(self, part: PartBegin) -> None:
        name = part.field.filename
        if name is None:
            self._field = (part.field.name, bytearray())
            return
        if part.field.name not in FILE_FIELDS:
            raise RequestError(
                Message(
                    en=f"Files come in the field 'file', got {part.field.name[:40]!r}.",
                    zh=f"文件应放在 'file' 字段中，收到的是 {part.field.name[:40]!r}。",
                ),
                param=part.field.name[:40],
            )
        if len(self._names) >= MAX_FILES:
            raise RequestTooLargeError(
                Message(en=f"More than {MAX_FILES} files in one request.", zh=f"一次上传超过 {MAX_FILES} 个文件。"),
                hint=Message(en="Send them in several requests.", zh="请分几次上传。"),
            )
        self._names.append(name)
        self._file = _File(name)

    async def _end(self) -> None:
        if self._file is not None:
            await self._end_file(self._file)
        elif self._field is not None:
            name, text = self._field
            self._fields.setdefault(name, []).append(text.decode("utf-8", "replace"))
        self._file = self._field = None

    async def _add_bytes(self, file: _File, data: bytes) -> None:
        file.size += len(data)
        if file.size > self._limit:
            file.buffer.clear()
            if file.incoming is not None:
                file.incoming.discard()
            if file.size > DRAIN_FACTOR * self._limit:
                raise FileTooLargeError(safe_path(file.name) or "?", file.size, self._max_mb)
            return
        file.buffer += data
        if len(file.buffer) >= WRITE_BYTES:
            await asyncio.to_thread(self._write, file)

    def _add_text(self, text: bytearray, data: bytes) -> None:
        text += data
        self._fields_bytes += len(data)
        if len(text) > MAX_FIELD_BYTES or self._fields_bytes > MAX_FIELDS_BYTES:
            raise RequestTooLargeError(
                Message(en="A field of the form is too long.", zh="表单中的字段过长。"),
                hint=Message(
                    en="Send files in the field `file`, with a name.", zh="文件应带文件名放在 `file` 字段中。"
                ),
            )

    async def _end_file(self, file: _File) -> None:
        if file.size > self._limit:
            self._arrived.append(file.size)
            return
        await asyncio.to_thread(self._write, file)
        assert file.incoming is not None  # written just now
        self._arrived.append(file.incoming)
        if len(self._finishing) >= WRITERS:
            done, self._finishing = await asyncio.wait(self._finishing, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        self._finishing.add(asyncio.create_task(asyncio.to_thread(file.incoming.finish)))

    def _write(self, file: _File) -> None:
        if file.incoming is None:
            file.incoming = self._originals.incoming()
            self._opened.append(file.incoming)
        file.incoming.write(file.buffer)
        file.buffer.clear()

    def _paths(self) -> list[str]:
        """Return each file's name, from the field `path` where the form has one for each file."""
        paths = self._fields.get("path", [])
        if paths and len(paths) != len(self._names):
            raise RequestError(
                Message(
                    en=f"The form has {len(paths)} fields 'path' for {len(self._names)} files.",
                    zh=f"表单中有 {len(paths)} 个 'path' 字段，却有 {len(self._names)} 个文件。",
                ),
                hint=Message(en="Send one for each file, or none.", zh="请为每个文件各写一个，或都不写。"),
                param="path",
            )
        return [path or name for path, name in zip(paths or self._names, self._names, strict=True)]
