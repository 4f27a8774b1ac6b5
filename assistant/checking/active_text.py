r"""What a Markdown or HTML reader may follow, load or run: how it looks, and whether it is allowed (pure).

The patterns ask for less than any reader does: a tag needs no end, a link no closing parenthesis.
"""

from __future__ import annotations

import html
import re
from urllib.parse import urlsplit

from assistant.checking.code_spans import LOOKALIKE
from assistant.control_tokens import INVISIBLE

_HAN = r"\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Where an address ends: also at what would end a code span around it, or a table's cell.
_STOP = r"\s<>\"`|\\$\[\]{}，。；：！？、（）《》〈〉【】「」『』“”‘’…｜"
_PATH = rf"[/?#][^{_STOP}]*"

_PATTERNS = (
    # [words](address "title") and ![words](address)
    r"(?P<image>!?)\[(?P<words>[^\[\]|`]*)\]"
    r"\([ \t]*(?P<to><[^<>|`\\$]*>|[^\s()<>|`\\$]+)(?P<title>[ \t]+[^()<>|`]*)?\)",
    r"<(?P<auto>[a-z][a-z0-9+.-]*:[^\s<>`|\\$]*|[^\s<>`|\\$@]+@[^\s<>`|\\$@]+)>",
    r"(?P<bracket>\](?=[(:]))",
    # `a<b，` is none: no name of a tag ends so.
    r"(?P<tag><(?=[^\s<>]*@)|<(?=[a-z/!?])(?!(?<=\w<)[a-z][a-z0-9]*[^\sa-z0-9/>:@.+_-][^>]*$))",
    rf"(?P<url>[a-z][a-z0-9+.-]{{0,30}}://(?:[^{_STOP}{_HAN}/?#]+(?:{_PATH})?|[^{_STOP}]*)"
    rf"|(?:javascript|vbscript|mailto|xmpp)[ \t]*:[^{_STOP}{_HAN}]+"
    rf"|(?<![a-z])data:(?=[\w.+-]*[/;,])[^{_STOP}{_HAN}]+"
    rf"|(?<![/:])//(?=[^/\s]*[.:@]|localhost)[^{_STOP}/]*(?:{_PATH})?"
    rf"|www\.[^{_STOP}{_HAN}/]*(?:{_PATH})?)",
    r"(?P<mail>[a-z0-9.!#%&'*+/=?^_{}~-]{1,64}@[a-z0-9-]+(?:\.[a-z0-9-]+)+)",
    r"(?P<at>(?<=\S)@(?=[^\s@]+\.[^\s.]))",
    rf"(?P<wide>[^\sa-z0-9.-]\.[a-z0-9-][a-z0-9.-]*+(?P<wide_path>(?::\d+)?{_PATH})?|\w\.рф)",
    rf"(?P<host>(?<![a-z0-9.-])[a-z0-9-][a-z0-9.-]*+(?P<host_path>(?::\d+)?{_PATH})?)",
    # MathJax follows these.
    r"(?P<command>\\(?=(?:href|url|includegraphics|html[a-z]+|require|cssId|class|style)\b))",
)
ACTIVE = re.compile("|".join(_PATTERNS), re.IGNORECASE)
TRAILING = ".,;:!?'\")]}*_~&"
"""What ends a sentence rather than an address."""

_LOOKS_LIKE_ADDRESS = re.compile(r"[:/.?#%&=@]")
# Domains of two letters that people write addresses with; the others end file names (`README.md`, `setup.py`).
_COUNTRIES = "cc cn co de eu fr hk io jp kr mo ru sg tv tw uk"
_DOMAINS = frozenset(
    f"biz com edu gov net org pro web xxx aero asia coop info museum name shop рф {_COUNTRIES}".split()
)
_NO_DOMAINS = frozenset({"asp.net", "ado.net", "vb.net", "ml.net"})

ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)
_DECODED = {**{char: char for char in "<>[]()!:/.@\\\"'=#?|$&"}, "`": LOOKALIKE, "\t": " ", "\n": " ", "\r": " "}
_DECODED |= dict.fromkeys(INVISIBLE, "")


def is_address(text: str) -> bool:
    """Whether what stands between the parentheses of a link may be an address, and is no remark."""
    return _LOOKS_LIKE_ADDRESS.search(text) is not None


def is_host(name: str, *, has_path: bool) -> bool:
    """Whether readers that look for bare domains may link this name: `evil.com`, but no `README.md` or `v1.2`."""
    labels = name.rstrip(".-").lower().split(".")
    last = labels[-1]
    if len(labels) < 2 or not (last.isalpha() or last.startswith("xn--")) or len(last) < 2:
        return False
    if ".".join(labels) in _NO_DOMAINS:
        return has_path
    return has_path or last in _DOMAINS or last.startswith("xn--") or (len(labels) > 2 and len(last) == 2)


def decoded(text: str) -> str:
    """Return the text without entities that stand for a character which links and tags are made of."""
    while True:
        plain = ENTITY.sub(lambda entity: _decoded(entity[0]), text)
        if plain == text:
            return text
        text = plain


def _decoded(entity: str) -> str:
    return _DECODED.get(html.unescape(entity), entity)


def address_key(address: str) -> str | None:
    """Return the normal form of an address that may be allowed: http, https or mailto; None for any other."""
    address = address.strip()
    if re.search(r"[\s<>`\"\\]", address):
        return None
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme == "mailto":
        return "mailto:" + parts.path if parts.path and not parts.query else None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return None
    host = parts.hostname if port in (None, {"http": 80, "https": 443}[parts.scheme]) else f"{parts.hostname}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{host}{parts.path or '/'}{query}" + (f"#{parts.fragment}" if parts.fragment else "")
