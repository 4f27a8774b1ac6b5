"""What parent and worker say to each other, as bytes (pure).

A message is three parts, each with its length before it: a JSON object, then two runs of bytes that JSON would make
longer and slower. Nothing in it can make the reader run code, whoever wrote it.

    job      {"source", "record"}                      content             -
    result   {"title", "spans", ...} or {"error", ..}  text, UTF-8         tokens of each span, one line each, UTF-8
    ready    {"ready": [layers of confinement]}        -                   -
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from ingest import errors
from ingest.errors import IngestError
from ingest.sandbox.parse import Parsed, ParseJob, RecordLabel
from retrieval.errors import Message
from retrieval.models import Document, Span

_LENGTHS = struct.Struct("<QQQ")
BUFFER_BYTES = 1 << 20
"""Read and held at a time, where the system can: each read waits for Python's lock, which the parser holds."""
Parts = tuple[bytes, bytes, bytes]


class Writable(Protocol):
    """The sending end of a wire."""

    def write(self, data: bytes, /) -> object:
        """Take all of it."""

    def flush(self) -> None:
        """Let go of what is held back."""


class Readable(Protocol):
    """The receiving end of a wire."""

    def read(self, size: int, /) -> bytes:
        """Return so many bytes; fewer only where the other side is gone."""


def write(stream: Writable, parts: Parts) -> None:
    """Write one message; part by part, as a file's content may be large."""
    stream.write(_LENGTHS.pack(*map(len, parts)))
    for part in parts:
        stream.write(part)
    stream.flush()


def read(stream: Readable, *, max_bytes: int | None = None) -> Parts:
    """Read one message.

    Args:
        stream: Where from.
        max_bytes: Most bytes of all parts together, where the other side is not trusted.

    Raises:
        EOFError: If the other side is gone, between messages or in one.
        ValueError: If it announces more than `max_bytes`.
    """
    sizes = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    if max_bytes is not None and sum(sizes) > max_bytes:
        raise ValueError(f"a message of {sum(sizes)} bytes, over {max_bytes}")
    header, first, second = sizes
    return _exactly(stream, header), _exactly(stream, first), _exactly(stream, second)


def encode_ready(layers: Sequence[str]) -> Parts:
    """Return the message of a worker that waits for jobs."""
    return _json({"ready": list(layers)}), b"", b""


def decode_ready(parts: Parts) -> tuple[str, ...]:
    """Return what confines the worker; raises ValueError for any other message."""
    header = json.loads(parts[0])
    if not isinstance(header, dict) or not isinstance(header.get("ready"), list):
        raise ValueError("not the message of a worker that is ready")
    return tuple(map(str, header["ready"]))


def encode_job(job: ParseJob) -> Parts:
    """Return a job's message."""
    record = None if job.record is None else [job.record.title, dict(job.record.metadata)]
    return _json({"source": job.source, "record": record}), job.data, b""


def decode_job(parts: Parts) -> ParseJob:
    """Return the job of a message."""
    header = json.loads(parts[0])
    record = None if header["record"] is None else RecordLabel(*header["record"])
    return ParseJob(header["source"], parts[1], record)


def encode_result(result: Parsed | IngestError) -> Parts:
    """Return a result's message."""
    if isinstance(result, IngestError):
        return _json(_error_fields(result)), b"", b""
    document = result.document
    header = {
        "title": document.title,
        "page_starts": document.page_starts,
        "metadata": dict(document.metadata),
        "media_type": result.media_type,
        "warnings": result.warnings,
        "spans": [(span.start, span.end, span.page, span.heading, span.sections) for span in result.spans],
        "has_tokens": result.indexed_texts is not None,
        "needs_ocr": result.needs_ocr,
    }
    tokens = "\n".join(result.indexed_texts or ())
    return _json(header), _utf8(document.text), _utf8(tokens)


def decode_result(parts: Parts) -> Parsed | IngestError:
    """Return the result of a message."""
    header = json.loads(parts[0])
    if "error" in header:
        return _revived(header)
    document = Document(
        title=header["title"],
        text=parts[1].decode("utf-8", "surrogatepass"),
        page_starts=tuple(header["page_starts"]),
        metadata=header["metadata"],
    )
    return Parsed(
        document=document,
        spans=tuple(_spans(header["spans"])),
        media_type=header["media_type"],
        warnings=tuple(Message(*pair) for pair in header["warnings"]),
        # No token holds white space.
        indexed_texts=tuple(parts[2].decode("utf-8", "surrogatepass").split("\n")) if header["has_tokens"] else None,
        needs_ocr=bool(header["needs_ocr"]),
    )


def _spans(rows: list[Any]) -> Iterator[Span]:
    for start, end, page, heading, sections in rows:
        yield Span(start, end, page, tuple(heading), tuple((offset, tuple(path)) for offset, path in sections))


def _error_fields(error: IngestError) -> dict[str, Any]:
    return {"error": type(error).__name__, "source": error.source, "message": error.message, "hint": error.hint}


def _revived(header: dict[str, Any]) -> IngestError:
    cls = getattr(errors, header["error"], None)
    if not (isinstance(cls, type) and issubclass(cls, IngestError)):
        cls = IngestError
    hint = None if header["hint"] is None else Message(*header["hint"])
    return errors.rebuild(cls, header["source"], Message(*header["message"]), hint)


def _json(value: dict[str, Any]) -> bytes:
    # ASCII, with escapes: a title or path may hold half a surrogate pair, which UTF-8 does not take.
    return json.dumps(value).encode("ascii")


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _exactly(stream: Readable, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("the other process is gone")
    return data
