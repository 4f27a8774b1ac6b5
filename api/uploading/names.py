"""What the names that clients send become: pure, since nothing about them can be trusted.

A name is only ever a label: files are stored by the hash of their bytes. What could mislead its reader (text that runs
backwards, control characters), lead out of a folder or grow without end is taken out here; the rest stays as written.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

MAX_PART_CHARS = 120
"""Longest name of a file or folder; a longer one is cut in its middle and keeps its suffix."""
MAX_PARTS = 32
"""Deepest folder; the outermost ones go first."""
MAX_SUFFIX_CHARS = 12

_PARAMETER = re.compile(r';\s*([A-Za-z0-9!#$&+^_`|~-]+\*?)\s*=\s*("(?:[^"\\]|\\.)*"|[^;"\s][^;]*|)', re.DOTALL)
_JOINERS = "\u200c\u200d"  # emoji and some scripts need them between visible characters
_DRIVE = re.compile(r"[A-Za-z]:")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Field:
    """What a part of a form says of itself: its field's name, and its file's name if it is a file."""

    name: str
    filename: str | None = None


def parse_disposition(header: bytes) -> Field | None:
    """Return what a `Content-Disposition: form-data` header says; None if it names no field.

    A browser writes UTF-8, quotes as `%22`; other clients write GBK, backslashes before quotes, or RFC 5987's
    `filename*=UTF-8''...`, which wins.
    """
    text = decode_name(header)
    found: dict[str, str] = {}
    for match in _PARAMETER.finditer(text, max(text.find(";"), 0)):
        key, value = match[1].lower(), match[2].strip()
        if value.startswith('"'):
            # A backslash is a separator of folders (C:\\docs\\a.txt), except before a quote.
            value = value[1:-1].replace('\\"', '"').replace("%22", '"')
        found.setdefault(key, value)
    if "name" not in found:
        return None
    extended = _decode_extended(found.get("filename*", ""))
    return Field(found["name"], extended or found.get("filename", None if extended is None else ""))


def decode_name(raw: bytes) -> str:
    """Return a name in the encoding that its writer used: UTF-8, else GB18030, else Latin-1."""
    as_utf8, as_gbk = _decode(raw, "utf-8"), _decode(raw, "gb18030")
    if as_utf8 is not None and (as_gbk is None or _is_coherent(as_utf8)):
        return as_utf8
    return as_gbk if as_gbk is not None else raw.decode("latin-1")


def safe_path(name: str) -> str:
    """Return a name, with its folders, that shows what it says and leads nowhere; empty if nothing is left.

    Folders are separated by `/`; drives, `.`, `..`, control and invisible characters are gone, white space is single.
    """
    parts = [_safe_part(part) for part in name.replace("\\", "/").split("/")]
    return "/".join([part for part in parts if part and not _DRIVE.fullmatch(part)][-MAX_PARTS:])


def safe_name(name: str, content_hash: str) -> str:
    """Return `safe_path` of a name, or one made of its bytes' hash where nothing is left."""
    return safe_path(name) or f"unnamed-{content_hash[:8]}"


def distinct(names: Sequence[str]) -> list[str]:
    """Return the names of files that came together, those that are there already with a number: `a (2).txt`.

    The same names in the same order always become the same.
    """
    taken = set(names)
    seen: set[str] = set()
    result = []
    for name in names:
        stem, suffix = _split_suffix(name)
        chosen, n = name, 1
        while chosen in seen or (n > 1 and chosen in taken):
            n += 1
            chosen = f"{stem} ({n}){suffix}"
        seen.add(chosen)
        result.append(chosen)
    return result


def _safe_part(part: str) -> str:
    kept = "".join(char for char in part if _is_shown(char))
    kept = unicodedata.normalize("NFC", _SPACES.sub(" ", kept))
    # `.` and `..` lead elsewhere; Windows forgets dots and spaces at the end of a name.
    return _cut(kept.lstrip(" " + _JOINERS).rstrip(". " + _JOINERS))


def _is_shown(char: str) -> bool:
    # Unassigned and private ones stay: rare characters of names are newer than our tables.
    return char.isspace() or char in _JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs")


def _cut(part: str) -> str:
    if len(part) <= MAX_PART_CHARS:
        return part
    # Two long names that begin alike stay two.
    mark = "~" + hashlib.sha256(part.encode()).hexdigest()[:8]
    stem, suffix = _split_suffix(part)
    return stem[: MAX_PART_CHARS - len(mark) - len(suffix)].rstrip() + mark + suffix


def _split_suffix(name: str) -> tuple[str, str]:
    stem, dot, suffix = name.rpartition(".")
    if not stem or stem.endswith("/") or "/" in suffix or len(suffix) > MAX_SUFFIX_CHARS:
        return name, ""
    return stem, dot + suffix


def _decode_extended(value: str) -> str | None:
    """Return RFC 5987's `charset'language'percent-encoded`; None if it is not that."""
    charset, _, rest = value.partition("'")
    _, quote, encoded = rest.partition("'")
    if not quote:
        return None
    raw = unquote_to_bytes(encoded)
    try:
        return raw.decode(charset or "utf-8")
    except (LookupError, UnicodeDecodeError):
        return decode_name(raw)


def _decode(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


def _is_coherent(text: str) -> bool:
    """Return whether somebody may have written this; GBK's bytes that happen to be UTF-8 give a mixture of scripts.

    Two bytes of GBK can be one letter from Latin to Thaana in UTF-8 (通知: a loose accent and a Hebrew one).
    """
    foreign = [char for char in text if char >= "\x80"]
    if any(char > "\u07ff" for char in foreign):
        return True
    scripts = {unicodedata.name(char, "?").partition(" ")[0] for char in foreign if char.isalpha()}
    return len(scripts) < 2 and not any(unicodedata.category(char) == "Mn" for char in foreign)
