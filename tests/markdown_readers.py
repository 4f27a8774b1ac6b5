"""What readers of Markdown find active in an answer: links, images, HTML, as CommonMark and as GitHub read it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.common.normalize_url import normalizeLink
from markdown_it.token import Token

from assistant.checking.active_text import is_host


@cache
def readers() -> tuple[MarkdownIt, ...]:
    gfm = MarkdownIt("gfm-like", {"html": True})
    gfm.validateLink = lambda url: True  # type: ignore[method-assign]  # any address counts, javascript: too
    commonmark = MarkdownIt("commonmark", {"html": True})
    commonmark.validateLink = lambda url: True  # type: ignore[method-assign]
    return gfm, commonmark


def tokens(reader: MarkdownIt, text: str) -> Iterator[Token]:
    for token in reader.parse(text):
        yield token
        yield from token.children or ()


def active(text: str, allowed: Collection[str] = ()) -> list[str]:
    """Return what readers would follow, load or run."""
    return [what for reader in readers() for token in tokens(reader, text) if (what := active_in(token, allowed))]


def active_in(token: Token, allowed: Collection[str]) -> str:
    if token.type == "image":
        return f"image {token.attrs['src']}"
    if token.type in ("html_inline", "html_block"):
        return f"html {token.content}"
    if token.type == "link_open" and not is_harmless(str(token.attrs["href"]), token.info, allowed):
        return f"link {token.attrs['href']}"
    return ""


def is_harmless(href: str, info: str, allowed: Collection[str]) -> bool:
    """Whether a link is allowed, or a file name that a reader takes for a domain: `README.md` tells nobody anything."""
    if href in {normalizeLink(address) for address in allowed}:
        return True
    name = href.removeprefix("http://")
    return info == "auto" and "/" not in name and name.count(".") == 1 and not is_host(name, has_path=False)
