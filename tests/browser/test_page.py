from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from api.source_window import page_at
from assistant.errors import server_garbage
from assistant.events import TextEvent
from retrieval.errors import Message, QuestionError
from retrieval.models import Chunk
from tests.unit.api.service import HANDBOOK, KEY, QUOTE, FakeFolder, ScriptedAssistant, cite, forever, script

ANSWER = ("正式员工每年", "有 5 天年假[1]", "。\n\n- 试用期员工没有[2]", "。另见[9]。")
LONG = "".join(f"第{n}条 员工应当遵守公司的各项管理制度。\n" for n in range(200)) + HANDBOOK + "补充说明。\n" * 200
PAGES = (0, 1000, 2000, 3000)


@pytest.fixture
def chunk(folder: FakeFolder) -> Chunk:
    return folder.add_document(folder.add_collection("人事制度"), LONG, page_starts=PAGES, source="hr/员工手册.txt")


@pytest.fixture
def answering(assistant: ScriptedAssistant, chunk: Chunk) -> ScriptedAssistant:
    citations = [
        cite(chunk, QUOTE, page=page_at(PAGES, LONG.index(QUOTE))),
        cite(chunk, "试用期员工没有年假。", index=2, page=4),
    ]
    assistant.steps = script(*ANSWER, citations=citations, mode="extractive")
    return assistant


def ask(page: Page, text: str = "年假有多少天？") -> None:
    page.get_by_label("问题").fill(text)
    page.get_by_label("问题").press("Enter")


def test_answer_streams_in_when_a_question_is_asked(page: Page, address: str, answering: ScriptedAssistant):
    gate: list[asyncio.Event] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def wait() -> None:
        loops.append(asyncio.get_running_loop())
        gate.append(asyncio.Event())
        await gate[0].wait()

    answering.steps = [answering.steps[0], answering.steps[1], wait, *answering.steps[2:]]
    page.goto(address)
    ask(page)
    expect(page.locator(".answer .body")).to_have_text("正式员工每年")
    expect(page.locator(".answer")).to_have_attribute("aria-busy", "true")
    loops[0].call_soon_threadsafe(gate[0].set)
    expect(page.locator(".answer .body li")).to_have_text("试用期员工没有2。另见[9]。")
    expect(page.locator(".asked p")).to_have_text("年假有多少天？")
    expect(page.locator(".answer")).not_to_have_attribute("aria-busy", "true")
    expect(page.get_by_role("status")).to_have_text("回答完成")
    assert answering.calls == [("年假有多少天？", (), "人事制度")]


def test_citation_opens_its_source_at_the_quote(page: Page, address: str, answering: ScriptedAssistant):
    page.goto(address)
    ask(page)
    page.get_by_role("button", name="引文 1：员工手册").click()
    panel = page.get_by_role("complementary")
    expect(panel.locator("mark")).to_have_text(QUOTE)
    expect(panel.locator("mark")).to_be_in_viewport()
    expect(panel.get_by_role("heading")).to_have_text("员工手册")
    expect(panel.locator(".path")).to_have_text("员工手册 › 第二章 休假")
    number = page_at(PAGES, LONG.index(QUOTE))
    expect(panel.locator(".facts .page")).to_have_text(f"第 {number} 页，共 4 页")
    expect(panel.get_by_text("打开原文件")).to_have_attribute("href", f"/v1/files/doc_1/content#page={number}")
    expect(panel).to_be_focused()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page.get_by_role("button", name="引文 1：员工手册")).to_be_focused()


def test_source_list_shows_title_heading_page_and_quote(page: Page, address: str, answering: ScriptedAssistant):
    page.goto(address)
    ask(page)
    items = page.locator(".sources li")
    expect(items).to_have_count(2)
    expect(items.nth(1).locator(".place")).to_have_text("员工手册 › 第二章 休假 · 第 4 页")
    expect(items.nth(1).locator(".quote")).to_have_text("试用期员工没有年假。")
    items.nth(1).locator(".quote").click()
    expect(page.locator("aside mark")).to_have_text("试用期员工没有年假。")


def test_each_marker_opens_its_own_quote_when_one_source_is_cited_twice(
    page: Page, address: str, answering: ScriptedAssistant, chunk: Chunk
):
    quotes = (QUOTE, "试用期员工没有年假。", "补充说明。")
    citations = [cite(chunk, quote, page=4) for quote in quotes]
    answering.steps = script("甲[1]\n乙[1]\n丙[1]又[1]", citations=citations, mode="extractive")
    page.goto(address)
    ask(page)
    expect(page.locator(".sources li")).to_have_count(1)
    expect(page.locator(".sources .place")).to_have_count(1)
    for marker, quote in enumerate((*quotes, quotes[-1])):
        page.locator(".chip").nth(marker).click()
        expect(page.locator("aside mark")).to_have_text(quote)


def test_more_context_is_shown_when_asked_for(page: Page, address: str, answering: ScriptedAssistant):
    page.goto(address)
    ask(page)
    page.get_by_role("button", name="引文 1").click()
    expect(page.locator("aside .text")).not_to_contain_text("第0条")
    page.get_by_role("button", name="显示更多上下文").click()
    expect(page.locator("aside .text")).to_contain_text("第0条")
    expect(page.locator("aside mark")).to_have_text(QUOTE)


def test_source_page_stands_alone_at_a_citations_address(
    page: Page, address: str, answering: ScriptedAssistant, chunk: Chunk
):
    start = LONG.index(QUOTE)
    page.goto(f"{address}/documents/doc_1?start={start}&end={start + len(QUOTE)}&chunk={chunk.chunk_id}")
    expect(page.locator("mark")).to_have_text(QUOTE)
    expect(page.locator("mark")).to_be_in_viewport()
    expect(page.get_by_role("heading")).to_have_text("员工手册")
    expect(page).to_have_title("员工手册 · 活字问答")
    page.goto(f"{address}/documents/doc_1?start=0&end=3&chunk=ch_old")
    expect(page.get_by_text("文档已更新")).to_be_visible()
    page.goto(f"{address}/documents/none")
    expect(page.get_by_role("alert")).to_have_text("没有文档 'none'。")


def test_refusal_is_said_plainly(page: Page, address: str, answering: ScriptedAssistant):
    answering.steps = script("文档里没有提到火星。", mode="refused")
    page.goto(address)
    ask(page, "火星上有几个人？")
    expect(page.locator(".answer.refused .label")).to_have_text("文档中没有找到答案")
    expect(page.locator(".answer.refused .body")).to_have_text("文档里没有提到火星。")
    expect(page.locator(".sources")).to_have_count(0)


def test_note_says_that_no_model_is_connected(page: Page, address: str, answering: ScriptedAssistant):
    page.goto(address)
    expect(page.get_by_text("未连接模型服务，回答为原文摘录")).to_be_visible()
    ask(page)
    expect(page.locator(".answer .label")).to_have_text("原文摘录")


def test_history_is_sent_until_a_new_conversation(page: Page, address: str, answering: ScriptedAssistant):
    page.goto(address)
    for number, question in enumerate(("年假几天？", "那病假呢？"), start=1):
        ask(page, question)
        expect(page.locator(".sources")).to_have_count(number)
    assert [(turn.role, turn.text) for turn in answering.calls[1][1]] == [
        ("user", "年假几天？"),
        ("assistant", "".join(ANSWER)),
    ]
    page.get_by_role("button", name="新对话").click()
    expect(page.locator(".turn")).to_have_count(0)
    ask(page, "事假呢？")
    expect(page.locator(".sources")).to_have_count(1)
    assert answering.calls[2][1] == ()


def test_work_stops_when_stop_is_pressed(page: Page, address: str, answering: ScriptedAssistant):
    answering.steps = [TextEvent("每年"), forever]
    page.goto(address)
    ask(page)
    expect(page.locator(".answer .body")).to_have_text("每年")
    page.get_by_role("button", name="停止").click()
    expect(page.locator(".answer .label")).to_have_text("已停止")
    assert answering.closed.wait(5)
    expect(page.get_by_role("button", name="发送")).to_be_visible()
    expect(page.locator(".answer .body")).to_have_text("每年")


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ([QuestionError(Message("Too long.", "问题太长。"))], "问题太长。"),
        ([TextEvent("每年"), server_garbage("http://127.0.0.1:1/v1")], "输出中断"),
        ([RuntimeError("secret")], "服务处理请求时出错"),
    ],
)
def test_error_is_shown_when_the_answer_fails(
    page: Page, address: str, answering: ScriptedAssistant, steps: Any, text: str
):
    answering.steps = steps
    page.goto(address)
    ask(page)
    expect(page.get_by_role("alert").filter(has_text=text)).to_be_visible()
    assert "secret" not in page.content()


HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script><b>粗</b>"


def test_markup_is_shown_as_text_wherever_it_comes_from(
    page: Page, address: str, folder: FakeFolder, assistant: ScriptedAssistant
):
    text = f"{HOSTILE}员工每年有五天年假。{HOSTILE}"
    hostile = folder.add_document(
        folder.add_collection(f"集合{HOSTILE}"),
        text,
        title=f"标题{HOSTILE}",
        heading=(HOSTILE,),
        source=f"{HOSTILE}.txt",
    )
    assistant.steps = script(f"{HOSTILE}[1] **{HOSTILE}**\n- `{HOSTILE}`", citations=[cite(hostile, text)])
    page.goto(address)
    ask(page, HOSTILE)
    page.locator(".chip").first.click()
    expect(page.locator("aside mark")).to_have_text(text)
    expect(page.locator("aside h2")).to_have_text(f"标题{HOSTILE}")
    expect(page.locator("aside .path")).to_contain_text(HOSTILE)
    expect(page.locator(".asked p")).to_have_text(HOSTILE)
    expect(page.locator(".answer .body")).to_contain_text(HOSTILE)
    expect(page.locator("#collection option")).to_contain_text(HOSTILE)
    assert page.locator("img, b, body script").count() == 0


def test_stored_page_runs_no_script_when_opened(page: Page, address: str, folder: FakeFolder):
    script_text = "<script>document.getElementById('x').textContent='ran'</script>"
    data = f"<p id=x>员工每年享有五天带薪年假。</p>{script_text}{HOSTILE}".encode()
    folder.add_document(folder.add_collection("default"), "x", source="x.html", media_type="text/html", data=data)
    page.goto(f"{address}/v1/files/doc_1/content")
    expect(page.locator("#x")).to_have_text("员工每年享有五天带薪年假。")


def test_enter_that_ends_a_composition_does_not_send(page: Page, address: str, answering: ScriptedAssistant):
    page.goto(address)
    box = page.get_by_label("问题")
    box.focus()
    cdp = page.context.new_cdp_session(page)
    cdp.send("Input.imeSetComposition", {"text": "nian jia", "selectionStart": 8, "selectionEnd": 8})
    for how in ({"isComposing": True}, {"keyCode": 229}):
        box.evaluate(
            "(box, how) => box.dispatchEvent(new KeyboardEvent('keydown', "
            "{key: 'Enter', bubbles: true, cancelable: true, ...how}))",
            how,
        )
    cdp.send("Input.insertText", {"text": "年假"})
    expect(box).to_have_value("年假")
    assert answering.calls == []
    box.press("Shift+Enter")
    box.press_sequentially("几天")
    expect(box).to_have_value("年假\n几天")
    assert answering.calls == []
    box.press("Enter")
    expect(page.locator(".sources")).to_be_visible()
    assert answering.calls[0][0] == "年假\n几天"


def test_key_is_asked_for_and_exchanged_for_a_session(
    page: Page, address: str, folder: FakeFolder, answering: ScriptedAssistant
):
    folder.catalog.keys.tokens.add(KEY)
    page.goto(address)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    dialog.get_by_label("API 密钥").fill("hz-wrong")
    dialog.get_by_role("button", name="继续").click()
    expect(dialog.get_by_role("alert")).to_contain_text("API 密钥无效")
    dialog.get_by_label("API 密钥").fill(KEY)
    dialog.get_by_role("button", name="继续").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_label("文档集合")).to_have_value("人事制度")
    ask(page)
    page.get_by_role("button", name="引文 1").click()
    expect(page.locator("aside mark")).to_have_text(QUOTE)
    assert KEY not in page.content()
    assert page.evaluate("document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)") == "{}{}"
    reply = page.request.get(f"{address}/v1/files/doc_1/content")
    assert (reply.status, reply.text()) == (200, LONG)


def test_giving_up_on_the_key_is_said(page: Page, address: str, folder: FakeFolder, chunk: Chunk):
    folder.catalog.keys.tokens.add(KEY)
    page.goto(address)
    page.get_by_role("button", name="取消").click()
    expect(page.get_by_role("alert")).to_have_text("未提供 API 密钥，无法继续。")


def test_page_speaks_english_when_asked(page: Page, address: str, answering: ScriptedAssistant):
    page.goto(f"{address}/?lang=en")
    expect(page.get_by_text("No model server connected")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "en"
    page.get_by_label("Question", exact=True).fill("How many days?")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("button", name="Citation 1: 员工手册").click()
    expect(page.locator("aside .facts .page")).to_contain_text("of 4")
    expect(page.locator("aside .links a").nth(1)).to_have_attribute("href", re.compile(r"^/documents/doc_1\?.*lang=en"))


def test_empty_service_says_how_to_ingest(page: Page, address: str):
    page.goto(address)
    expect(page.get_by_role("heading", name="这里还没有文档")).to_be_visible()
    expect(page.get_by_text("huozi ingest ~/docs")).to_be_visible()


def test_collection_is_chosen_in_the_picker(page: Page, address: str, folder: FakeFolder, answering: ScriptedAssistant):
    folder.add_collection("财务/报销 100%", 3)
    page.goto(address)
    page.get_by_label("文档集合").select_option("财务/报销 100%")
    ask(page)
    expect(page.locator(".sources")).to_be_visible()
    assert answering.calls[0][2] == "财务/报销 100%"


def test_example_is_asked_when_clicked(page: Page, address: str, folder: FakeFolder, assistant: ScriptedAssistant):
    assistant.steps = script("12 天。")
    folder.add_document(folder.add_collection("default"), HANDBOOK, source="samples/员工手册.docx")
    page.goto(address)
    example = page.locator(".example").first
    text = example.inner_text()
    example.click()
    expect(page.locator(".asked p")).to_have_text(text)
    expect(page.locator(".answer .body")).to_have_text("12 天。")


def test_everything_fits_when_the_screen_is_narrow(page: Page, address: str, answering: ScriptedAssistant):
    page.set_viewport_size({"width": 360, "height": 640})
    page.goto(address)
    ask(page)
    page.get_by_role("button", name="引文 1").click()
    expect(page.locator("aside mark")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("button", name="关闭").click()
    expect(page.get_by_label("问题")).to_be_in_viewport()


def test_reference_lists_the_calls(page: Page, address: str):
    page.goto(f"{address}/docs")
    expect(page.get_by_role("heading", name="POST /v1/chat/completions")).to_be_visible()
