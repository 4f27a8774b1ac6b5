"""Drafts that settle, sentences without support, and how an answer came about."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from api.source_window import page_at
from assistant.errors import server_garbage
from assistant.events import DraftEvent, DroppedCitation, TextEvent
from retrieval.models import Chunk, ScoredChunk
from tests.unit.api.service import HANDBOOK, QUOTE, FakeFolder, ScriptedAssistant, cite, script

LONG = "".join(f"第{n}条 员工应当遵守公司的各项管理制度。\n" for n in range(200)) + HANDBOOK + "补充说明。\n" * 200
PAGES = (0, 1000, 2000, 3000)


class Gates:
    """Steps at which a script waits until a test opens them, in order."""

    def __init__(self) -> None:
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def wait(self) -> None:
        event = asyncio.Event()
        self._waiting.append((asyncio.get_running_loop(), event))
        await event.wait()

    def open(self) -> None:
        loop, event = self._waiting.pop(0)
        loop.call_soon_threadsafe(event.set)


@pytest.fixture
def chunk(folder: FakeFolder) -> Chunk:
    return folder.add_document(folder.add_collection("人事制度"), LONG, page_starts=PAGES, source="hr/员工手册.txt")


def ask(page: Page, address: str, *, language: str = "zh") -> None:
    page.goto(f"{address}/?lang={language}")
    box = page.get_by_label("问题" if language == "zh" else "Question", exact=True)
    box.fill("年假有多少天？")
    box.press("Enter")


def test_drafts_are_dimmed_until_they_settle(page: Page, address: str, assistant: ScriptedAssistant, chunk: Chunk):
    gates = Gates()
    first, *_, done = script(
        "每年有 5 天年假[1]。", "试用期没有。", citations=[cite(chunk, QUOTE, page=4)], mode="generated"
    )
    assistant.steps = [
        first, DraftEvent("每年有 5"), DraftEvent(" 天年假[3"), gates.wait,
        DraftEvent("]。"), TextEvent("每年有 5 天年假[1]。"), DraftEvent("瞎编"), DraftEvent("的话。"), gates.wait,
        TextEvent(""), gates.wait, DraftEvent("试用期"), gates.wait, TextEvent("试用期没有。"), done,
    ]  # fmt: skip
    ask(page, address)
    body, draft = page.locator(".answer .body"), page.locator(".answer .body .draft")
    expect(draft).to_have_text("每年有 5 天年假")
    expect(draft).to_have_attribute("aria-hidden", "true")
    assert float(draft.evaluate("node => getComputedStyle(node).opacity")) < 1
    expect(page.locator(".answer")).to_have_attribute("aria-busy", "true")
    expect(page.get_by_role("status")).to_have_text("正在回答…")
    gates.open()
    expect(draft).to_have_text("瞎编的话。")
    expect(body).to_have_text("每年有 5 天年假1。瞎编的话。")
    gates.open()
    expect(draft).to_have_count(0)
    expect(body).to_have_text("每年有 5 天年假1。")
    gates.open()
    expect(body).to_have_text("每年有 5 天年假1。试用期")
    gates.open()
    expect(page.locator(".sources li")).to_have_count(1)
    expect(draft).to_have_count(0)
    expect(body).to_have_text("每年有 5 天年假1。试用期没有。")
    page.get_by_role("button", name="引文 1：员工手册").click()
    number = page_at(PAGES, LONG.index(QUOTE))
    expect(page.locator("aside mark")).to_have_text(QUOTE)
    expect(page.locator("aside mark")).to_be_in_viewport()
    expect(page.locator("aside .facts .page")).to_have_text(f"第 {number} 页，共 4 页")


def test_waiting_is_shown_when_the_first_sentence_was_dropped(
    page: Page, address: str, assistant: ScriptedAssistant, chunk: Chunk
):
    gates = Gates()
    first, *_, done = script("有 5 天。")
    steps = [first, DraftEvent("瞎编"), gates.wait, TextEvent(""), gates.wait, TextEvent("有 5 天。"), done]
    assistant.steps = steps
    ask(page, address)
    expect(page.locator(".draft")).to_have_text("瞎编")
    gates.open()
    expect(page.locator(".answer .waiting")).to_have_text("正在回答…")
    gates.open()
    expect(page.locator(".answer .body")).to_have_text("有 5 天。")


def test_no_draft_is_left_when_the_answer_breaks_off(
    page: Page, address: str, assistant: ScriptedAssistant, chunk: Chunk
):
    gates = Gates()
    steps = [TextEvent("每年有 5 天。"), DraftEvent("另外"), gates.wait, server_garbage("http://127.0.0.1:1/v1")]
    assistant.steps = steps
    ask(page, address)
    expect(page.locator(".draft")).to_have_text("另外")
    gates.open()
    expect(page.get_by_role("alert").filter(has_text="输出中断")).to_be_visible()
    expect(page.locator(".answer .body")).to_have_text("每年有 5 天。")


def test_markup_in_a_draft_is_shown_as_text(page: Page, address: str, assistant: ScriptedAssistant, chunk: Chunk):
    gates = Gates()
    hostile = "<img src=x onerror=alert(1)>**粗**![x](http://evil.test/x.png)"
    first, *_, done = script("好。")
    assistant.steps = [first, DraftEvent(hostile), gates.wait, TextEvent("好。"), done]
    ask(page, address)
    expect(page.locator(".draft").first).to_contain_text("<img src=x")
    assert page.locator("#log img, #log a").count() == 0
    gates.open()
    expect(page.locator(".answer .body")).to_have_text("好。")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_sentences_without_support_are_marked(
    page: Page, address: str, assistant: ScriptedAssistant, chunk: Chunk, language: str
):
    text = "𠮷😀有 5 天[1]。\n- **另有**奖金（未获资料支持）。\n好"
    start = text.index("**另有**")
    assistant.steps = script(
        text, citations=[cite(chunk, QUOTE)], unsupported=((start, start + len("**另有**奖金（未获资料支持）。")),)
    )
    ask(page, address, language=language)
    marked = page.locator(".answer .body .unsupported")
    expect(marked).to_have_text(["另有", "奖金（未获资料支持）。"])
    told = {"zh": "这句话没有资料支持", "en": "No source supports this sentence"}[language]
    expect(marked.first).to_have_attribute("title", told)
    assert "wavy" in marked.first.evaluate("node => getComputedStyle(node).textDecorationStyle")
    expect(page.locator(".answer .body strong")).to_have_text("另有")


def traced(assistant: ScriptedAssistant, chunk: Chunk) -> None:
    assistant.found = [ScoredChunk(chunk, 21.5, keyword=20.25, similarity=0.875, coverage=0.75, fused=20.75)]
    dropped = (DroppedCitation(7, "瞎编。", "no_such_source"),)
    assistant.steps = script("有 5 天[1]。", citations=[cite(chunk, QUOTE, page=4)], dropped=dropped)


def test_trace_tells_how_the_answer_came_about(page: Page, address: str, assistant: ScriptedAssistant, chunk: Chunk):
    traced(assistant, chunk)
    ask(page, address)
    link = page.get_by_role("button", name="回答是怎样得出的")
    link.click()
    panel = page.get_by_role("complementary")
    expect(panel.get_by_role("heading", name="回答是怎样得出的")).to_be_visible()
    expect(panel.locator(".trace")).to_contain_text("年假有多少天？ « 上一问")
    expect(panel.locator("tr").nth(1).locator("td")).to_have_text(["[1]", "员工手册", "20.25", "0.88", "0.75", "21.50"])
    expect(panel.locator(".trace")).to_contain_text("作答 · 依据充分")
    expect(panel.locator(".trace")).to_contain_text("保留：[1]")
    expect(panel.locator(".trace")).to_contain_text("去掉 [7]：没有这个编号")
    expect(panel.locator(".trace")).to_contain_text("huozi：输入 12，输出 7 个 token")
    expect(panel.get_by_role("cell", name="首字")).to_be_visible()
    expect(panel).to_be_focused()
    page.keyboard.press("Escape")
    expect(link).to_be_focused()
    page.get_by_role("button", name="引文 1：员工手册").click()
    expect(panel.locator("mark")).to_have_text(QUOTE)


def test_trace_fits_a_narrow_screen_and_speaks_english(
    page: Page, address: str, assistant: ScriptedAssistant, chunk: Chunk
):
    traced(assistant, chunk)
    page.set_viewport_size({"width": 360, "height": 640})
    page.emulate_media(reduced_motion="reduce")
    ask(page, address, language="en")
    page.get_by_role("button", name="How this was answered").click()
    expect(page.locator(".trace")).to_contain_text("Dropped [7]: no such source")
    expect(page.locator(".trace")).to_contain_text("Found 1 of 9 chunks")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator(".trace table").first.evaluate("node => node.scrollWidth") <= 360


def test_markup_in_a_trace_is_shown_as_text(page: Page, address: str, folder: FakeFolder, assistant: ScriptedAssistant):
    hostile = "<img src=x onerror=alert(1)><b>粗</b>"
    chunk = folder.add_document(folder.add_collection("default"), f"{hostile}五天。", title=f"标题{hostile}")
    traced(assistant, replace(chunk, text=HANDBOOK))
    page.goto(address)
    page.get_by_label("问题").fill(hostile)
    page.get_by_label("问题").press("Enter")
    page.get_by_role("button", name="回答是怎样得出的").click()
    expect(page.locator(".trace td").nth(1)).to_have_text(f"标题{hostile}")
    expect(page.locator(".trace p").first).to_contain_text(hostile)
    assert page.locator("img, b").count() == 0


def test_trace_that_is_not_kept_is_said_plainly(page: Page, address: str, assistant: ScriptedAssistant, chunk: Chunk):
    traced(assistant, chunk)
    ask(page, address)
    expect(page.locator(".sources")).to_be_visible()
    assistant.traces.records.clear()
    page.get_by_role("button", name="回答是怎样得出的").click()
    expect(page.locator("aside").get_by_role("alert")).to_contain_text("没有回答")
