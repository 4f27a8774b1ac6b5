"""Zip archives as folders: which documents lie in them, under which names, and their bytes."""

from __future__ import annotations

import errno
import io
import re
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO

from ingest.encoding import likeliest
from ingest.errors import (
    BrokenFileError,
    EmptyFileError,
    EncryptedError,
    FileTooLargeError,
    IngestError,
    UnreadableError,
)
from ingest.loaders.formats import is_candidate, suffix_of
from ingest.settings import LoadSettings

MAX_MEMBERS = 100_000
"""Files that an archive may list, with all archives in it."""
_HELD_BYTES = 16 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024
_CODE_PAGES = ("gb18030", "cp950", "big5hkscs")
_UTF8_FLAG = 0x800
_ENCRYPTED_FLAG = 1
_DAMAGE = (
    *(zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, RuntimeError, IndexError),
    zlib.error,
)
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
        inside: The archives in the archive that it lies in, outermost first, by their numbers.
        problem: Why an archive in the archive could not be opened; its documents are then unknown.
    """

    name: str
    number: int
    size: int
    is_encrypted: bool = False
    inside: tuple[int, ...] = ()
    problem: IngestError | None = None


def members(infos: list[zipfile.ZipInfo], *, pictures: bool = False) -> Iterator[Member]:
    """Yield an archive's documents, in its order; hidden files, links and unknown suffixes are left out (pure).

    Args:
        infos: What the archive lists.
        pictures: Whether pictures are documents.
    """
    for number, (info, readable) in enumerate(zip(infos, readable_names(infos), strict=True)):
        name = safe_name(readable)
        is_link = stat.S_ISLNK(info.external_attr >> 16)
        if info.is_dir() or is_link or not name or _NOT_SHOWN.search(name):
            continue
        if not is_candidate(name, pictures=pictures):
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
    try:
        if not _FOREIGN.search(names.decode("utf-8")):
            return "utf-8"
    except UnicodeDecodeError:
        pass
    return likeliest(names, _CODE_PAGES) or next((codec for codec in _CODE_PAGES if _decodes(names, codec)), None)


def _decodes(names: bytes, codec: str) -> bool:
    try:
        names.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def safe_name(name: str) -> str:
    """Return a name without what would lead out of a folder: drives, `..`, leading slashes, control characters."""
    parts = re.sub(r"[\x00-\x1f\x7f]", "", name).replace("\\", "/").split("/")
    return "/".join(part for part in parts if part.strip(". ") and not re.fullmatch(r"[A-Za-z]:", part))


class Archive:
    """An open zip archive with the archives in it; use it with `with`.

    An archive inside that cannot be opened is a member with a `problem`, so that it fails alone.

    Args:
        path: Where it lies, or the open file.
        source: For messages.
        settings: `max_unpacked_mb` bounds what all its documents may unpack to, `max_nesting` how deep archives lie.

    Raises:
        BrokenFileError: If it is none, or lists too many files.
        FileTooLargeError: If its documents say that they unpack to more.
        EmptyFileError: If no document is in it.
    """

    def __init__(self, path: Path | IO[bytes], source: str, settings: LoadSettings) -> None:
        self.path = path
        self._source = source
        self._settings = settings
        self._left = settings.max_unpacked_mb * 1024 * 1024
        self._n_left = MAX_MEMBERS
        self._opened: dict[tuple[int, ...], zipfile.ZipFile] = {}
        self._spools: dict[tuple[int, ...], IO[bytes]] = {}
        try:
            self._opened[()] = self._open(path, source)
            self.members = tuple(self._listed((), "", source))
            if not self.members:
                raise EmptyFileError(source)
        except BaseException:
            self._close()
            raise

    def read(self, member: Member, source: str, max_mb: int) -> bytes:
        """Return a document's bytes; never more than the limit, whatever the archive says of their number.

        Raises:
            IngestError: If it is encrypted, damaged or too large, or an archive that cannot be opened.
        """
        if member.problem is not None:
            raise member.problem
        if member.is_encrypted:
            raise EncryptedError(source)
        limit = max_mb * 1024 * 1024
        file = io.BytesIO()
        self._unpack(self._archive(member.inside), member, source, limit, file)
        if file.tell() > limit:
            raise FileTooLargeError(source, max(member.size, file.tell()), max_mb)
        return file.getvalue()

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _listed(self, inside: tuple[int, ...], prefix: str, source: str) -> Iterator[Member]:
        """Yield the documents of an archive and of those in it; takes their sizes off what is left."""
        infos = self._opened[inside].infolist()
        self._n_left -= len(infos)
        if self._n_left < 0:
            raise BrokenFileError(source, "zip", f"more than {MAX_MEMBERS:,} files in it")
        try:
            found = tuple(members(infos, pictures=self._settings.ocr.folders))
        except _DAMAGE as exc:
            raise BrokenFileError(source, "zip", str(exc)[:200]) from exc
        unpacked = sum(member.size for member in found)
        if unpacked > self._left:
            raise FileTooLargeError(source, unpacked, self._settings.max_unpacked_mb, unpacked=True)
        self._left -= unpacked
        for member in found:
            one = replace(member, name=prefix + member.name, inside=inside)
            if suffix_of(member.name) == ".zip":
                yield from self._nested(one)
            else:
                yield one

    def _nested(self, member: Member) -> Iterator[Member]:
        """Yield the documents of an archive in an archive, or it itself with its problem."""
        source = f"{self._source}/{member.name}"
        if member.is_encrypted:
            yield member
            return
        try:
            if len(member.inside) >= self._settings.max_nesting:
                raise BrokenFileError(source, "zip", f"more than {self._settings.max_nesting} archives deep")
            self._archive((*member.inside, member.number), member, source)
            yield from self._listed((*member.inside, member.number), f"{member.name}/", source)
        except IngestError as error:
            yield replace(member, problem=error)

    def _archive(self, inside: tuple[int, ...], member: Member | None = None, source: str = "") -> zipfile.ZipFile:
        """Return the archive in this one; only those that it lies in stay open beside it."""
        for other in [one for one in self._opened if one != inside[: len(one)]]:
            self._shut(other)
        if inside not in self._opened:
            outer = self._archive(inside[:-1])
            info = outer.infolist()[inside[-1]]
            member = member or Member(info.filename, inside[-1], info.file_size, inside=inside[:-1])
            spool = tempfile.SpooledTemporaryFile(max_size=_HELD_BYTES)  # noqa: SIM115 (closed with the archive)
            self._spools[inside] = spool
            try:
                # Its size was taken off what is left before it is opened.
                self._unpack(outer, member, source, member.size, spool)
                self._opened[inside] = self._open(spool, source)
            except BaseException:
                self._spools.pop(inside).close()
                raise
        return self._opened[inside]

    def _unpack(self, archive: zipfile.ZipFile, member: Member, source: str, limit: int, into: IO[bytes]) -> None:
        """Write a member's bytes, at most one more than the limit."""
        try:
            with archive.open(archive.infolist()[member.number]) as file:
                while into.tell() <= limit and (piece := file.read(min(_PIECE_BYTES, limit + 1 - into.tell()))):
                    into.write(piece)
        except (*_DAMAGE, zipfile.LargeZipFile) as exc:
            if isinstance(exc, OSError) and exc.errno == errno.ENOSPC:
                raise UnreadableError(source, exc.strerror or str(exc)) from exc
            raise BrokenFileError(source, "zip", str(exc)[:200] or type(exc).__name__) from exc

    def _open(self, file: Path | IO[bytes], source: str) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(file)
        except _DAMAGE as exc:
            raise BrokenFileError(source, "zip", str(exc)[:200]) from exc

    def _shut(self, inside: tuple[int, ...]) -> None:
        self._opened.pop(inside).close()
        if (spool := self._spools.pop(inside, None)) is not None:
            spool.close()

    def _close(self) -> None:
        for inside in list(self._opened):
            self._shut(inside)


def _raw(info: zipfile.ZipInfo) -> bytes:
    try:
        return info.orig_filename.encode("cp437")
    except UnicodeEncodeError:
        return info.orig_filename.encode("utf-8")
