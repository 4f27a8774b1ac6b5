"""Zip archives as folders: which documents lie in them, under which names, and their bytes."""

from __future__ import annotations

import re
import stat
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ingest.errors import BrokenFileError, EncryptedError, FileTooLargeError, IngestError
from ingest.loaders.formats import is_candidate
from ingest.settings import LoadSettings

MAX_MEMBERS = 100_000
_UTF8_FLAG = 0x800
_ENCRYPTED_FLAG = 1
_DAMAGE = (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, RuntimeError, IndexError)
# What GBK's bytes for Chinese become where they happen to be valid UTF-8: letters from Latin-1 to Thaana.
_FOREIGN = re.compile("[\u0080-\u07ff]")
_NOT_SHOWN = re.compile(r"(?:^|/)(?:__MACOSX|\.[^/]*)(?:/|$)")


@dataclass(frozen=True, slots=True)
class Member:
    """A document in an archive.

    Args:
        name: As people wrote it, with `/` between folders; never leads out of the archive.
        number: Its place in the archive's list.
        size: Unpacked, in bytes, as the archive says.
        is_encrypted: Whether it needs a password.
    """

    name: str
    number: int
    size: int
    is_encrypted: bool = False


def members(infos: list[zipfile.ZipInfo]) -> Iterator[Member]:
    """Yield an archive's documents, in its order; hidden files, links and unknown suffixes are left out (pure)."""
    for number, (info, readable) in enumerate(zip(infos, readable_names(infos), strict=True)):
        name = safe_name(readable)
        is_link = stat.S_ISLNK(info.external_attr >> 16)
        if info.is_dir() or is_link or not name or _NOT_SHOWN.search(name) or not is_candidate(name):
            continue
        yield Member(name, number, info.file_size, bool(info.flag_bits & _ENCRYPTED_FLAG))


def readable_names(infos: Sequence[zipfile.ZipInfo]) -> list[str]:
    """Return the members' names in the encoding that their writer used (pure).

    Without the flag for UTF-8 a name is in whatever code page the writer's system had; zipfile reads it as code page
    437, which is undone here. Chinese systems write GBK, some programs UTF-8 all the same: one encoding for all names
    of an archive, since a single one may be valid in both (通知 in GBK is).
    """
    raw = [None if info.flag_bits & _UTF8_FLAG else _raw(info) for info in infos]
    encoding = _encoding_of(b"\n".join(name for name in raw if name is not None))
    return [
        info.filename if name is None or encoding is None else name.decode(encoding)
        for info, name in zip(infos, raw, strict=True)
    ]


def _encoding_of(names: bytes) -> str | None:
    for encoding in ("utf-8", "gb18030", "big5"):
        try:
            text = names.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding != "utf-8" or not _FOREIGN.search(text):
            return encoding
    return None


def safe_name(name: str) -> str:
    """Return a name without what would lead out of a folder: drives, `..`, leading slashes, control characters."""
    parts = re.sub(r"[\x00-\x1f\x7f]", "", name).replace("\\", "/").split("/")
    return "/".join(part for part in parts if part.strip(". ") and not re.fullmatch(r"[A-Za-z]:", part))


class Archive:
    """An open zip archive; use it with `with`.

    Args:
        path: Where it lies.
        source: For messages.
        settings: `max_unpacked_mb` bounds what all its documents may unpack to.

    Raises:
        BrokenFileError: If it is none.
        FileTooLargeError: If its documents say that they unpack to more.
    """

    def __init__(self, path: Path, source: str, settings: LoadSettings) -> None:
        self.path = path
        self._source = source
        try:
            self._zip = zipfile.ZipFile(path)
            self.members = tuple(members(self._zip.infolist()[:MAX_MEMBERS]))
        except _DAMAGE as exc:
            raise BrokenFileError(source, "zip", str(exc)[:200]) from exc
        unpacked = sum(member.size for member in self.members)
        if unpacked > settings.max_unpacked_mb * 1024 * 1024:
            self._zip.close()
            raise FileTooLargeError(source, unpacked, settings.max_unpacked_mb, unpacked=True)

    def read(self, member: Member, source: str, max_mb: int) -> bytes:
        """Return a document's bytes; never more than the limit, whatever the archive says of their number.

        Raises:
            IngestError: If it is encrypted, damaged or too large.
        """
        if member.is_encrypted:
            raise EncryptedError(source)
        limit = max_mb * 1024 * 1024
        try:
            with self._zip.open(self._zip.infolist()[member.number]) as file:
                data = file.read(limit + 1)
        except IngestError:
            raise
        except (*_DAMAGE, zipfile.LargeZipFile) as exc:
            raise BrokenFileError(source, "zip", str(exc)[:200] or type(exc).__name__) from exc
        if len(data) > limit:
            raise FileTooLargeError(source, max(member.size, len(data)), max_mb)
        return data

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()


def _raw(info: zipfile.ZipInfo) -> bytes:
    try:
        return info.orig_filename.encode("cp437")
    except UnicodeEncodeError:
        return info.orig_filename.encode("utf-8")
