"""Paths in, candidate files out, and what to do with each: a thin walk and a pure plan."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ingest.archives import Archive, Member
from ingest.errors import IngestError, UnreadableError
from ingest.loaders import is_candidate
from ingest.settings import LoadSettings
from retrieval.catalog import KnownSource

Action = Literal["add", "update", "skip"]


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file to look at.

    Args:
        path: Absolute; of a document in a zip archive, the archive's.
        source: What people are shown: the given folder's name and the way below it.
        member: Which document of the archive it is; None for a file.
    """

    path: Path
    source: str
    member: Member | None = None

    @property
    def source_id(self) -> str:
        """Identity within a collection."""
        return str(self.path) if self.member is None else f"{self.path}{os.sep}{self.member.name}"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A path that gave no file, with the reason."""

    source: str
    error: IngestError


def walk(paths: Sequence[Path], settings: LoadSettings | None = None) -> Iterator[FileEntry | Unreadable]:
    """Yield the files under the paths, each once, in a stable order; a zip archive is a folder.

    A file that is named is taken whatever its suffix; in folders, hidden files, lock files and unknown suffixes are
    left out. Links are followed inside the given folder only, so neither a loop nor a link to `/` leads astray.
    """
    seen: set[Path] = set()
    for given in paths:
        path = Path(os.path.abspath(given.expanduser()))
        for found in _walk_folder(path) if path.is_dir() else iter([_entry(path, path.name)]):
            if isinstance(found, Unreadable):
                yield found
            elif found.path not in seen:
                seen.add(found.path)
                yield from _unpacked(found, settings or LoadSettings())


def _unpacked(entry: FileEntry, settings: LoadSettings) -> Iterator[FileEntry | Unreadable]:
    """Yield an archive's documents for it, and anything else as it is."""
    if entry.path.suffix.lower() != ".zip":
        yield entry
        return
    try:
        with Archive(entry.path, entry.source, settings) as archive:
            listed = archive.members
    except IngestError as error:
        yield Unreadable(entry.source, error)
        return
    for member in listed:
        yield FileEntry(entry.path, f"{entry.source}/{member.name}", member)


def plan(entry_hash: str, known: KnownSource | None, *, recipe: str) -> Action:
    """Decide what a file needs, from its hash and what the catalog holds for it."""
    if known is None:
        return "add"
    return "skip" if (known.content_hash, known.recipe) == (entry_hash, recipe) else "update"


def missing_documents(known: Mapping[str, KnownSource], found: Collection[str], folders: Sequence[Path]) -> list[str]:
    """Return the ids of documents that came from the folders and whose files are gone."""
    roots = tuple(os.path.abspath(folder.expanduser()).rstrip(os.sep) + os.sep for folder in folders)
    return [
        source.document_id
        for source_id, source in known.items()
        if source_id not in found and source_id.startswith(roots)
    ]


def _entry(path: Path, source: str) -> FileEntry | Unreadable:
    try:
        path.stat()
    except FileNotFoundError:
        return Unreadable(source, UnreadableError(str(path), "no such file or folder"))
    except OSError as exc:
        return Unreadable(source, UnreadableError(str(path), exc.strerror or str(exc)))
    return FileEntry(path, source)


def _walk_folder(root: Path) -> Iterator[FileEntry | Unreadable]:
    real_root = os.path.realpath(root)
    visited: set[str] = set()
    pending = [root]
    while pending:
        folder = pending.pop()
        real = os.path.realpath(folder)
        if real in visited:
            continue
        visited.add(real)
        try:
            children = sorted(os.scandir(folder), key=lambda child: child.name)
        except OSError as exc:
            yield Unreadable(_shown(root, folder), UnreadableError(str(folder), exc.strerror or str(exc)))
            continue
        folders: list[Path] = []
        for child in children:
            path = Path(child.path)
            if child.name.startswith("."):
                continue
            try:
                if child.is_symlink() and not _is_inside(os.path.realpath(path, strict=True), real_root):
                    yield Unreadable(_shown(root, path), UnreadableError(str(path), "the link leads out of the folder"))
                elif child.is_dir():
                    folders.append(path)
                elif is_candidate(child.name):
                    yield _entry(path, _shown(root, path))
            except OSError as exc:
                yield Unreadable(_shown(root, path), UnreadableError(str(path), exc.strerror or str(exc)))
        pending.extend(reversed(folders))


def _is_inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def _shown(root: Path, path: Path) -> str:
    return (Path(root.name) / path.relative_to(root)).as_posix()
