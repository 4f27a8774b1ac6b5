"""Which backticks in an answer are code, for every Markdown reader alike (pure).

A backtick too many turns the code after it inside out: what looked quoted is live, and the reverse. So only what all
readers agree on counts as code here: spans of one or two backticks within a line, and fences at the start of a line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from assistant.control_tokens import INVISIBLE

LOOKALIKE = "ˋ"
"""Stands for a backtick that would open a code span of unknown end."""

_RUN = re.compile(r"\\?`+")
_FENCE = re.compile(r"([\s>*+\-\d.)]*)(`{3,}|~{3,})(.*)", re.DOTALL)
_FENCING = re.compile(r"```|~~~|\$\$|\\\[")
_LANGUAGE = re.compile(r"[ ]*[\w#.+-]*[ ]*")
_MATH = re.compile(r"\$|\\[()\[\]]")


@dataclass(frozen=True, slots=True)
class Fences:
    """Where a text stands with regard to its fenced code.

    Args:
        opened: The backticks or tildes of the fence that is open, or "".
        is_sure: Whether every reader sees the fences so far as we do: none was indented, in a list or in formulas.
    """

    opened: str = ""
    is_sure: bool = True

    @property
    def is_code(self) -> bool:
        """Whether the next line is code for every reader."""
        return bool(self.opened) and self.is_sure

    def after(self, line: str) -> Fences:
        """Return where the text stands after one more line."""
        fence = _FENCE.match(line)
        if self.opened:
            return self._inside(line, fence)
        if fence is None or ("`" in fence[2] and "`" in fence[3]):
            return replace(self, is_sure=self.is_sure and "$$" not in line and "\\[" not in line)
        if fence[1] or not self.is_sure or not _LANGUAGE.fullmatch(fence[3]):
            return Fences("", is_sure=False)
        return Fences(fence[2])

    def closes_with(self, line: str) -> bool:
        """Whether the line ends the open fence; some readers want it written as the fence began."""
        fence = _FENCE.match(line) if self.opened else None
        return (
            fence is not None
            and fence[2].startswith(self.opened)
            and fence[1] in ("", " ", "  ", "   ")
            and not fence[3].strip(" \t")
        )

    def _inside(self, line: str, fence: re.Match[str] | None) -> Fences:
        if self.closes_with(line):
            return Fences()
        if fence is None or fence[2][0] != self.opened[0]:
            return self
        # A shorter fence, or one with a language behind it, is code; with a mark before it readers disagree.
        is_code = not fence[1].strip() and fence[3].strip(INVISIBLE + " \t")
        return self if is_code else Fences("", is_sure=False)


def fences_after(text: str) -> Fences:
    """Return where a text stands at its end; its last line counts as a whole one."""
    fences = Fences()
    if _FENCING.search(text):
        for line in text.split("\n"):
            fences = fences.after(line)
    return fences


def fence_end(text: str) -> str:
    """Return what closes the fenced code that an answer ends in, or "": some readers take open fences for none."""
    fences = fences_after(text)
    return "\n" * (not text.endswith("\n")) + fences.opened if fences.is_code else ""


def is_fence(line: str, *, after_blank: bool) -> bool:
    """Whether the line begins or ends fenced code, or is code, and no run of backticks within a text.

    Args:
        line: All of it.
        after_blank: The line before it is blank, or there is none: then no paragraph goes on in this one.
    """
    fence = _FENCE.match(line)
    if fence is None or ("`" in fence[2] and "`" in fence[3]):
        return False
    return fence[1] in ("", " ", "  ", "   ") or (after_blank and not fence[1].strip())


def split_code(line: str, *, before: str = "", in_formula: bool = False) -> list[tuple[str, bool]]:
    """Cut a line into code spans, with their backticks, and what is none; all other backticks become look-alikes.

    Args:
        line: The rest of a line, without its end.
        before: The line up to there.
        in_formula: A formula may have begun before the line.
    """
    parts: list[tuple[str, bool]] = []
    runs = list(_RUN.finditer(line))
    position, at = 0, 0
    while at < len(runs):
        end = _closing(line, runs, at, in_formula=in_formula or _MATH.search(before) is not None)
        start = runs[at].start()
        if end is None:
            parts.append((line[position:start] + runs[at][0].replace("`", LOOKALIKE), False))
            position, at = runs[at].end(), at + 1
            continue
        parts += [(line[position:start], False), (line[start : runs[end].end()], True)]
        position, at = runs[end].end(), end + 1
    parts.append((line[position:], False))
    return _joined(parts)


def _closing(line: str, runs: list[re.Match[str]], at: int, *, in_formula: bool) -> int | None:
    """Return which run ends the code that the run `at` begins; None if none does, or not for all readers."""
    opening = runs[at][0]
    if opening.startswith("\\") or len(opening) > 2:
        return None
    for end in range(at + 1, len(runs)):
        run = runs[end][0].removeprefix("\\")
        if len(run) > 2:
            return None
        if run == opening:
            content = line[runs[at].end() : runs[end].start()]
            before = line[: runs[at].start()]
            crosses = (in_formula or _MATH.search(before)) and _MATH.search(content)
            return None if crosses or not content.strip() else end
    return None


def _joined(parts: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    joined: list[tuple[str, bool]] = []
    for text, is_code in parts:
        if joined and not is_code and not joined[-1][1]:
            joined[-1] = (joined[-1][0] + text, False)
        elif text:
            joined.append((text, is_code))
    return joined
