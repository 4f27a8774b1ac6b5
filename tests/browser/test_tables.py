"""Tables of a source on the page: columns as in the file, the cited cell marked."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.unit.api.service import FakeFolder

TEXT = "住宿标准\n城市 | 上限 | 说明\n北京 | 500元 | <b>含早餐</b>\n上海 | 400元 | 𠮷田店除外\n注：以上为每晚。"


def test_source_is_a_table_with_the_cited_cell_marked(page: Page, address: str, folder: FakeFolder) -> None:
    chunk = folder.add_document(folder.add_collection("default"), TEXT)
    start = TEXT.index("400元")
    page.goto(f"{address}/documents/{chunk.document_id}?start={start}&end={start + 4}")
    table = page.locator(".text table")
    expect(table.locator("th")).to_have_text(["城市", "上限", "说明"])
    expect(table.locator("td")).to_have_text(["北京", "500元", "<b>含早餐</b>", "上海", "400元", "𠮷田店除外"])
    expect(page.locator("mark")).to_have_text("400元")
    expect(page.locator(".text b")).to_have_count(0)
    expect(page.locator(".text")).to_contain_text("注：以上为每晚。")


def test_names_are_marked_when_their_row_is_cited(page: Page, address: str, folder: FakeFolder) -> None:
    chunk = folder.add_document(folder.add_collection("default"), TEXT)
    start = TEXT.index("城市")
    page.goto(f"{address}/documents/{chunk.document_id}?start={start}&end={start + 12}")
    expect(page.locator("th mark")).to_have_text(["城市", "上限", "说明"])
