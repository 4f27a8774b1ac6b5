"""E-books (.epub): the chapters in the order of the book's spine, each read as the page that it is."""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from lxml import etree

from ingest.clean import clean_line
from ingest.encoding import decode
from ingest.errors import BrokenFileError, EncryptedError, FileTooLargeError
from ingest.loaders import html
from ingest.loaders.base import LoadedFile, choose_title
from ingest.loaders.builder import DocumentBuilder
from ingest.settings import LoadSettings

_CONTAINER = "META-INF/container.xml"
_DRM = "META-INF/rights.xml"
_PAGES = ("application/xhtml+xml", "text/html")


def load(data: bytes, *, source: str, settings: LoadSettings) -> LoadedFile:
    """Parse the package document, then the pages that it lists."""
    builder = DocumentBuilder(source, settings)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if _DRM in archive.namelist():
                raise EncryptedError(source)
            root, package = _package(archive)
            for name in _pages(package, posixpath.dirname(root)):
                _add_page(builder, archive.read(name), name, settings)
    except (zipfile.BadZipFile, KeyError, IndexError, etree.LxmlError, EOFError, RuntimeError, ValueError) as exc:
        raise BrokenFileError(source, "epub", f"{type(exc).__name__}: {exc}"[:200]) from exc
    facts = {"author": _said(package, "creator"), "date": _said(package, "date")[:10]}
    document = builder.build(choose_title([_said(package, "title")], source), {k: v for k, v in facts.items() if v})
    return LoadedFile(document, "application/epub+zip", "epub")


def _package(archive: zipfile.ZipFile) -> tuple[str, Any]:
    """Return the package document's name and root."""
    container = _xml(archive.read(_CONTAINER))
    name = container.xpath("//*[local-name()='rootfile']/@full-path")[0]
    return str(name), _xml(archive.read(name))


def _pages(package: Any, folder: str) -> Iterator[str]:
    """Yield the names of the spine's pages, in order; what the book itself skips is left out."""
    items = {
        item.get("id"): item
        for item in package.xpath("//*[local-name()='manifest']/*[local-name()='item']")
        if item.get("media-type") in _PAGES
    }
    for entry in package.xpath("//*[local-name()='spine']/*[local-name()='itemref']"):
        item = items.get(entry.get("idref"))
        if item is not None and entry.get("linear") != "no" and "nav" not in (item.get("properties") or "").split():
            yield posixpath.normpath(posixpath.join(folder, unquote(item.get("href"))))


def _add_page(builder: DocumentBuilder, data: bytes, name: str, settings: LoadSettings) -> None:
    if len(data) > settings.max_text_chars:
        raise FileTooLargeError(name, len(data), settings.max_text_chars // (1024 * 1024), unpacked=True)
    root = html.parse(decode(data, source=name, declared=html.declared_charset(data)).text, source=name)
    body = None if root is None else next(root.iter("body"), root)
    if body is not None:
        html.Walker(builder, max_depth=settings.max_depth).walk(body)


def _said(package: Any, name: str) -> str:
    """Return a Dublin Core element's text."""
    found = package.xpath(f"//*[local-name()='metadata']/*[local-name()='{name}']/text()")
    return clean_line(str(found[0])) if found else ""


def _xml(data: bytes) -> Any:
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
