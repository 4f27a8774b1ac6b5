from __future__ import annotations

from dataclasses import asdict

from api.source_window import source_window
from tests.unit.api.service import FakeFolder, ScriptedAssistant, build, client

TEXT = "住宿标准\n城市 | 上限\n北京 | 500元\n上海 | 400元\n注：𠮷田店除外。"


def test_table_has_its_columns_and_the_quote_is_marked_in_its_cell():
    start = TEXT.index("400元")
    window = source_window(TEXT, (), start, start + 4, context=100)
    assert [(one.text, one.quoted, one.table) for one in window.segments] == [
        ("住宿标准\n", False, None),
        ("城市 | 上限\n北京 | 500元\n上海 | ", False, 0),
        ("400元", True, 0),
        ("\n注：𠮷田店除外。", False, None),
    ]
    (table,) = window.tables
    assert (table.columns, table.names_quoted) == (("城市", "上限"), False)
    assert asdict(table)["rows"][1] == (({"text": "上海", "quoted": False},), ({"text": "400元", "quoted": True},))


def test_names_are_quoted_when_the_quote_is_their_row():
    start = TEXT.index("城市")
    (table,) = source_window(TEXT, (), start, start + 7, context=100).tables
    assert table.names_quoted
    assert not any(piece.quoted for row in table.rows for cell in row for piece in cell)


async def test_text_around_a_quote_comes_with_its_tables_as_markdown(folder: FakeFolder):
    chunk = folder.add_document(folder.add_collection("default"), TEXT)
    async with client(build(folder, ScriptedAssistant())) as http:
        body = (await http.get(f"/v1/documents/{chunk.document_id}/text?start=20&end=22")).json()
    assert "| 城市 | 上限 |\n| --- | --- |\n| 北京 | 500元 |\n| 上海 | 400元 |\n\n注：" in body["markdown"]
    assert body["tables"][0]["columns"] == ["城市", "上限"]
    assert [one["table"] for one in body["segments"] if one["quoted"]] == [0]
