"""Files found -> their bytes, one after the other; an archive is opened once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack

from ingest.archives import Archive
from ingest.errors import FileTooLargeError, FileVanishedError, IngestError, UnreadableError
from ingest.settings import IngestSettings
from ingest.sync import FileEntry, Unreadable


def read_contents(
    entries: Iterable[FileEntry | Unreadable], settings: IngestSettings
) -> Iterator[tuple[FileEntry | Unreadable, bytes | IngestError]]:
    """Yield each with its bytes, or with the reason why there are none."""
    with ExitStack() as opened:
        archive: Archive | None = None
        for entry in entries:
            if isinstance(entry, Unreadable):
                yield entry, entry.error
                continue
            data: bytes | IngestError
            try:
                if entry.member is not None and (archive is None or archive.path != entry.path):
                    # The documents of one archive follow one another: it is opened once.
                    opened.close()
                    archive = opened.enter_context(Archive(entry.path, entry.source, settings.load))
                data = _read(entry, archive, settings.max_upload_mb)
            except IngestError as error:
                data = error
            yield entry, data


def _read(entry: FileEntry, archive: Archive | None, max_mb: int) -> bytes:
    if entry.member is not None and archive is not None:
        return archive.read(entry.member, entry.source, max_mb)
    try:
        size = entry.path.stat().st_size
        if size > max_mb * 1024 * 1024:
            raise FileTooLargeError(entry.source, size, max_mb)
        return entry.path.read_bytes()
    except FileNotFoundError as exc:
        raise FileVanishedError(entry.source) from exc
    except OSError as exc:
        raise UnreadableError(entry.source, exc.strerror or str(exc)) from exc
