"""Paths in, candidate files out, and what to do with each: a thin walk and a pure plan."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ingest.archives import Archive, Member
from ingest.errors import EmptiedFolderError, IngestError, UnreadableError
from ingest.ignore import IgnoreRules
from ingest.loaders import is_candidate
from ingest.loaders.formats import is_picture, suffix_of
from ingest.recipe import is_made_so
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

    def size(self) -> int | None:
        """Return how many bytes it holds; None if that cannot be told now."""
        try:
            return self.path.stat().st_size if self.member is None else self.member.size
        except OSError:
            return None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A path that gave no file, with the reason.

    Args:
        path: Absolute. Nothing is known of what lies at or below it, least of all that it is gone.
        source: What people are shown.
        error: The reason.
    """

    path: Path
    source: str
    error: IngestError

    @property
    def source_id(self) -> str:
        """Identity within a collection."""
        return str(self.path)


def walk(paths: Sequence[Path], settings: LoadSettings | None = None) -> Iterator[FileEntry | Unreadable]:
    """Yield the files under the paths, each once, in a stable order; a zip archive is a folder.

    A file that is named is taken whatever its suffix; in folders, hidden files, lock files, unknown suffixes, pictures
    (unless `settings.ocr.folders`) and what a `.huoziignore` names are left out. Links are followed inside the given
    folder only, so neither a loop nor a link to `/` leads astray.
    """
    seen: set[Path] = set()
    settings = settings or LoadSettings()
    for given in paths:
        path = absolute(given)
        named = ((_entry(path, path.name), IgnoreRules()),)
        for found, rules in _walk_folder(path, pictures=settings.ocr.folders) if path.is_dir() else named:
            if isinstance(found, Unreadable):
                yield found
            elif found.path not in seen:
                seen.add(found.path)
                yield from _unpacked(found, rules, settings)


def _unpacked(entry: FileEntry, rules: IgnoreRules, settings: LoadSettings) -> Iterator[FileEntry | Unreadable]:
    """Yield an archive's documents for it, and anything else as it is."""
    if entry.path.suffix.lower() != ".zip":
        yield entry
        return
    try:
        with Archive(entry.path, entry.source, settings) as archive:
            listed = archive.members
    except IngestError as error:
        yield Unreadable(entry.path, entry.source, error)
        return
    for member in listed:
        if not rules.is_member_ignored(entry.path.name, member.name):
            yield FileEntry(entry.path, f"{entry.source}/{member.name}", member)


def absolute(path: Path) -> Path:
    """Return a path as documents are known by: absolute, links as they are."""
    return Path(os.path.abspath(path.expanduser()))


def plan(entry_hash: str, known: KnownSource | None, *, recipe: str, reads_pictures: bool = False) -> Action:
    """Decide what a file needs, from its hash and what the catalog holds for it.

    Args:
        entry_hash: sha256 hex of the file.
        known: What is stored of it.
        recipe: How it would be read now.
        reads_pictures: Whether that includes pictures.
    """
    if known is None:
        return "add"
    is_same = known.content_hash == entry_hash and is_made_so(known.recipe, recipe, reads_pictures=reads_pictures)
    return "skip" if is_same else "update"


def gone_sources(
    known: Mapping[str, KnownSource],
    entries: Sequence[FileEntry | Unreadable],
    folders: Sequence[Path],
    *,
    pictures: bool = False,
) -> list[str]:
    """Return the sources of the folders' documents that a walk did not find, sorted (pure).

    What cannot be read is not gone, and neither is anything below it. An ignored file is. Of pictures nothing is known
    unless the walk looked for them.
    """
    roots = tuple(_below(absolute(folder)) for folder in folders)
    found = {entry.source_id for entry in entries if isinstance(entry, FileEntry)}
    unknown = {str(entry.path) for entry in entries if isinstance(entry, Unreadable)}
    veiled = tuple(_below(entry.path) for entry in entries if isinstance(entry, Unreadable))
    return sorted(
        source_id
        for source_id in known
        if source_id.startswith(roots)
        and source_id not in found
        and source_id not in unknown
        and not source_id.startswith(veiled)
        and (pictures or not is_picture(source_id))
    )


def emptied_folders(
    known: Mapping[str, KnownSource], entries: Sequence[FileEntry | Unreadable], folders: Sequence[Path]
) -> list[tuple[Path, int]]:
    """Return the given folders that hold nothing now, each with the number of documents that came from it (pure).

    A disk that is not mounted looks like this.
    """
    paths = [str(entry.path) for entry in entries]
    emptied = []
    for folder in map(absolute, folders):
        n_known = sum(source_id.startswith(_below(folder)) for source_id in known)
        if n_known and not any(path.startswith(_below(folder)) or path == str(folder) for path in paths):
            emptied.append((folder, n_known))
    return emptied


def check_not_emptied(
    known: Mapping[str, KnownSource], entries: Sequence[FileEntry | Unreadable], folders: Sequence[Path]
) -> None:
    """Check that no given folder has lost all that it held: that is what a disk looks like that is not mounted.

    Raises:
        EmptiedFolderError: If one has.
    """
    for folder, n_known in emptied_folders(known, entries, folders):
        raise EmptiedFolderError(str(folder), n_known)


def match_moves(gone: Mapping[str, KnownSource], new: Mapping[str, str]) -> dict[str, str]:
    """Tell which new files are files that are gone, under another name (pure).

    Args:
        gone: Documents whose files are gone, by source_id.
        new: sha256 hex of files that the collection does not know, by source_id.

    Returns:
        New source_id -> old one, each used once. Of several with equal content those with the same name belong
        together first, then those with the same suffix in the same folder, then those with the same suffix, then any.
    """
    matched: dict[str, str] = {}
    free = dict(sorted(gone.items()))
    for likeness in (os.path.basename, lambda path: (os.path.dirname(path), suffix_of(path)), suffix_of, lambda _: ""):
        by_key: dict[tuple[str, object], list[str]] = {}
        for old, source in free.items():
            by_key.setdefault((source.content_hash, likeness(old)), []).append(old)
        for source_id, content_hash in sorted(new.items()):
            candidates = by_key.get((content_hash, likeness(source_id)))
            if source_id not in matched and candidates:
                matched[source_id] = candidates.pop(0)
                del free[matched[source_id]]
    return matched


def _below(folder: Path) -> str:
    """Return what the paths of everything in a folder start with."""
    return str(folder).rstrip(os.sep) + os.sep


def _entry(path: Path, source: str) -> FileEntry | Unreadable:
    try:
        path.stat()
    except FileNotFoundError:
        return Unreadable(path, source, UnreadableError(str(path), "no such file or folder"))
    except OSError as exc:
        return _unreadable(path, source, exc)
    return FileEntry(path, source)


def _unreadable(path: Path, source: str, exc: OSError) -> Unreadable:
    return Unreadable(path, source, UnreadableError(str(path), exc.strerror or str(exc)))


def _walk_folder(root: Path, *, pictures: bool) -> Iterator[tuple[FileEntry | Unreadable, IgnoreRules]]:
    """Yield what lies in a folder, each with the rules that hold where it lies."""
    real_root = os.path.realpath(root)
    visited: set[str] = set()
    pending = [(root, IgnoreRules(), "")]
    while pending:
        folder, outer, name = pending.pop()
        real = os.path.realpath(folder)
        if real in visited:
            continue
        visited.add(real)
        rules = outer
        try:
            rules = outer.entered(folder, name)
            children = sorted(os.scandir(folder), key=lambda child: child.name)
        except OSError as exc:
            yield _unreadable(folder, _shown(root, folder), exc), rules
            continue
        folders = []
        for child in children:
            if child.name.startswith("."):
                continue
            found = _look_at(child, root, real_root, rules, pictures=pictures)
            if found == "folder":
                folders.append((Path(child.path), rules, child.name))
            elif found is not None:
                yield found, rules
        pending.extend(reversed(folders))


def _look_at(
    child: os.DirEntry[str], root: Path, real_root: str, rules: IgnoreRules, *, pictures: bool
) -> FileEntry | Unreadable | Literal["folder"] | None:
    """Return what something in a folder is to a run; None for what stays out."""
    path = Path(child.path)
    try:
        is_folder = child.is_dir()
        if rules.is_ignored(child.name, is_folder=is_folder):
            return None
        if child.is_symlink() and not _is_inside(os.path.realpath(path, strict=True), real_root):
            error = UnreadableError(str(path), "the link leads out of the folder")
            return Unreadable(path, _shown(root, path), error)
        if is_folder:
            return "folder"
        return _entry(path, _shown(root, path)) if is_candidate(child.name, pictures=pictures) else None
    except OSError as exc:
        return _unreadable(path, _shown(root, path), exc)


def _is_inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def _shown(root: Path, path: Path) -> str:
    return (Path(root.name) / path.relative_to(root)).as_posix()
