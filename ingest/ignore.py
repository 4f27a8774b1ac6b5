"""`.huoziignore`: what of a folder stays out, by gitignore's rules. The only importer of pathspec."""

from __future__ import annotations

import codecs
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pathspec import GitIgnoreSpec

IGNORE_FILE = ".huoziignore"


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The rules that hold in one folder: those of its own ignore file and of the folders above it.

    Args:
        specs: For each ignore file the way from its folder down to here (empty, or ending with a slash) and its
            patterns; the nearest first.
    """

    specs: tuple[tuple[str, GitIgnoreSpec], ...] = ()

    def entered(self, folder: Path, name: str = "") -> Self:
        """Return the rules in a folder below, with those of its own file.

        Args:
            folder: The folder.
            name: Its name; empty for the folder that was given.

        Raises:
            OSError: If its file cannot be read: what is to stay out is then not known.
        """
        way = f"{_composed(name)}/" if name else ""
        specs = tuple((way_here + way, spec) for way_here, spec in self.specs)
        try:
            data = (folder / IGNORE_FILE).read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            return type(self)(specs)
        return type(self)((("", parse_rules(data)), *specs))

    def is_ignored(self, name: str, *, is_folder: bool = False) -> bool:
        """Tell whether something in this folder stays out: the nearest file's last rule that matches decides.

        A folder that stays out is not entered, so that nothing in it can be taken back in, as with git.
        """
        shown = _composed(name) + ("/" if is_folder else "")
        for way, spec in self.specs:
            verdict = spec.check_file(way + shown).include
            if verdict is not None:
                return verdict
        return False

    def is_member_ignored(self, archive: str, member: str) -> bool:
        """Tell whether a document in an archive of this folder stays out; an archive is a folder."""
        parts = [archive, *member.split("/")]
        ways = ["/".join(parts[:n]) for n in range(2, len(parts))]
        return any(self.is_ignored(way, is_folder=True) for way in ways) or self.is_ignored("/".join(parts))


def parse_rules(data: bytes) -> GitIgnoreSpec:
    """Return the patterns of an ignore file; lines that are none are passed over, as git does (pure).

    Names are compared composed (NFC): macOS and some archives write Chinese and accented names decomposed.
    """
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError:
        # What a Chinese Windows editor saves as "ANSI".
        text = data.decode("gb18030", "replace")
    return GitIgnoreSpec.from_lines(filter(_is_pattern, _composed(text).splitlines()))


def _is_pattern(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)
