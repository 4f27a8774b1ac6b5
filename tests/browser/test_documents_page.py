"""The page's documents panel on real parts: files dropped on it are parsed, searched, deleted."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from playwright.sync_api import FilePayload, Page, expect

from api.app import create_app
from api.settings import Settings
from ingest.settings import OcrSettings
from retrieval.errors import Message, VectorStoreError
from tests.pdf_files import make_pdf
from tests.unit.api.service import running

HANDBOOK = """# 员工手册

## 第二章 休假
第五条 员工累计工作满一年的，每年享受五天带薪年休假；满十年的，享受十天带薪年休假。
第六条 婚假为三天，产假为一百五十八天，陪产假为十五天。
"""
QUESTION = "工作满十年享受多少天带薪年休假？"
ANSWER = "享受十天带薪年休假"

DROP = """(files) => {
  const transfer = new DataTransfer();
  for (const [name, data] of files) {
    const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
    transfer.items.add(new File([bytes], name));
  }
  for (const type of ["dragenter", "dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return create_app(
        Settings(data_dir=tmp_path / "data", embedder="none", port=0, max_upload_mb=1, ocr=OcrSettings(mode="off"))
    )


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    with running(app) as url:
        yield url


def drop(page: Page, *files: tuple[str, bytes]) -> None:
    page.evaluate(DROP, [[name, base64.b64encode(data).decode()] for name, data in files])


def ask(page: Page, text: str = QUESTION) -> None:
    page.get_by_label("问题").fill(text)
    page.get_by_label("问题").press("Enter")


def test_dropped_file_answers_until_it_is_deleted(page: Page, address: str):
    page.goto(address)
    expect(page.get_by_role("heading", name="这里还没有文档")).to_be_visible()
    drop(page, ("员工手册.md", HANDBOOK.encode()))
    panel = page.get_by_role("complementary", name="文档：default")
    expect(panel.locator("#job-summary")).to_have_text("共 1 个文件：完成 1，进行中 0，失败 0")
    expect(panel.locator("#file-list .file .name")).to_have_text("员工手册.md")
    expect(panel.locator("#file-list .file .state")).to_contain_text("可检索")
    expect(page.get_by_label("文档集合")).to_have_value("default")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    ask(page)
    expect(page.locator(".answer .body")).to_contain_text(ANSWER)

    page.get_by_role("button", name="文档", exact=True).click()
    page.get_by_role("button", name="删除：员工手册.md").click()
    dialog = page.get_by_role("dialog", name="删除文档")
    expect(dialog).to_contain_text("确定删除“员工手册.md”")
    dialog.get_by_role("button", name="取消").click()
    expect(panel.locator("#file-list .file")).to_have_count(1)
    page.get_by_role("button", name="删除：员工手册.md").click()
    dialog.get_by_role("button", name="删除").click()
    expect(panel.locator("#file-note")).to_have_text("已删除：员工手册.md")
    expect(panel.locator("#file-list")).to_have_text("还没有文档")
    page.keyboard.press("Escape")
    ask(page)
    expect(page.locator(".answer")).to_have_count(2)
    expect(page.locator(".answer.refused")).to_have_count(1)


def test_file_that_cannot_be_read_says_why(page: Page, address: str):
    page.goto(address)
    files = ("坏.docx", b"PK\x03\x04 broken"), ("扫描.pdf", make_pdf([[]])), ("大.txt", b"x" * (1024 * 1024 + 1))
    drop(page, *files, ("员工手册.md", HANDBOOK.encode()))
    summary = page.locator("#job-summary")
    expect(summary).to_have_text("共 4 个文件：完成 1，进行中 0，失败 3")
    jobs = page.locator("#job-list .file")
    expect(jobs.filter(has_text="坏.docx").locator(".reason")).to_contain_text("已损坏")
    expect(jobs.filter(has_text="扫描.pdf").locator(".state")).to_have_text("需要 OCR")
    expect(jobs.filter(has_text="大.txt").locator(".reason")).to_contain_text("超过上限 1 MB")
    documents = page.locator("#file-list .file")
    expect(documents).to_have_count(3)
    expect(documents.filter(has_text="扫描.pdf").locator(".state")).to_contain_text("需要 OCR")
    expect(documents.filter(has_text="坏.docx").locator(".state")).to_contain_text("失败")
    page.get_by_role("button", name="重试：坏.docx").click()
    expect(summary).to_have_text("共 4 个文件：完成 1，进行中 0，失败 3")
    expect(jobs.filter(has_text="坏.docx").locator(".reason")).to_contain_text("已损坏")


def test_progress_is_there_again_when_the_page_is_loaded_again(page: Page, address: str):
    page.goto(address)
    drop(page, ("坏.docx", b"PK\x03\x04 broken"))
    expect(page.locator("#job-list .state")).to_have_text("失败")
    page.reload()
    page.get_by_role("button", name="文档", exact=True).click()
    expect(page.locator("#job-list .reason")).to_contain_text("已损坏")
    expect(page.locator("#file-list .name")).to_have_text("坏.docx")


def test_waiting_file_says_what_for_and_goes_on(
    page: Page, app: FastAPI, address: str, monkeypatch: pytest.MonkeyPatch
):
    def gone(*_arguments: object) -> None:
        raise VectorStoreError(Message("Chroma is gone.", "Chroma 没有应答。"))

    with monkeypatch.context() as patch:
        patch.setattr(app.state.parts.folder.catalog, "build_versions", gone)
        page.goto(address)
        drop(page, ("员工手册.md", HANDBOOK.encode()))
        expect(page.locator("#job-list .state")).to_contain_text("再试", timeout=15_000)
        expect(page.locator("#job-list .reason")).to_have_text("Chroma 没有应答。")
    expect(page.locator("#job-list .state")).to_have_text("完成", timeout=30_000)
    expect(page.locator("#job-list .reason")).to_have_count(0)


def test_files_are_chosen_by_keyboard(page: Page, address: str):
    handbook: FilePayload = {"name": "手册.md", "mimeType": "text/markdown", "buffer": HANDBOOK.encode()}
    # Asked for before the page is there: the browser takes a moment until it asks us instead of showing its dialog.
    page.on("filechooser", lambda chooser: chooser.set_files(handbook))
    page.goto(address)
    manage = page.get_by_role("button", name="文档", exact=True)
    manage.focus()
    page.keyboard.press("Enter")
    panel = page.get_by_role("complementary")
    expect(panel).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="选择文件", exact=True).last).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#file-list .state")).to_contain_text("可检索")
    page.keyboard.press("Escape")
    expect(manage).to_be_focused()


def test_folder_keeps_its_ways(page: Page, address: str, tmp_path: Path):
    folder = tmp_path / "制度"
    (folder / "人事").mkdir(parents=True)
    (folder / "人事" / "手册.md").write_text(HANDBOOK, "utf-8")
    (folder / "手册.md").write_text(HANDBOOK, "utf-8")
    (folder / ".hidden").write_text("x", "utf-8")
    page.goto(address)
    page.get_by_role("button", name="文档", exact=True).click()
    expect(page.get_by_role("complementary")).to_be_focused()
    page.locator("#folder-input").set_input_files(folder)
    expect(page.locator("#file-list .file")).to_have_count(2)
    names = sorted(page.locator("#file-list .name").all_inner_texts())
    assert names == ["制度/人事/手册.md", "制度/手册.md"]


def test_hostile_name_turns_nothing_around(page: Page, address: str):
    page.goto(address)
    drop(page, ("<img src=x onerror=alert(1)>\u202etxt.md", HANDBOOK.encode()))
    expect(page.locator("#file-list .name")).to_have_text("<img src=x onerror=alert(1)>txt.md")
    assert page.locator("#files img").count() == 0


def test_panel_speaks_english_and_fits_a_narrow_screen(page: Page, address: str):
    page.set_viewport_size({"width": 360, "height": 640})
    page.goto(f"{address}/?lang=en")
    drop(page, ("x" * 100 + ".md", HANDBOOK.encode()))
    panel = page.get_by_role("complementary", name="Documents: default")
    expect(panel.locator("#file-list .state")).to_contain_text("Searchable")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    panel.get_by_role("button", name="关闭").or_(panel.get_by_role("button", name="Close")).click()
    expect(page.get_by_label("Question", exact=True)).to_be_in_viewport()


def test_scripts_of_the_panel_are_loaded_when_it_is_asked_for(page: Page, address: str):
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url.rpartition("/")[2]))
    page.goto(address)
    expect(page.get_by_label("问题")).to_be_focused()
    assert not {"documents.js", "upload.js"} & set(loaded)
    page.get_by_role("button", name="文档", exact=True).click()
    expect(page.get_by_role("complementary")).to_be_visible()
    assert {"documents.js", "upload.js"} <= set(loaded)
