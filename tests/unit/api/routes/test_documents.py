from __future__ import annotations

from tests.unit.api.service import HANDBOOK, QUOTE, FakeFolder, ScriptedAssistant, build, client


async def read(folder: FakeFolder, path: str):
    async with client(build(folder, ScriptedAssistant())) as http:
        return await http.get(path)


async def test_quote_comes_back_with_page_heading_and_context(folder: FakeFolder):
    chunk = folder.add_document(folder.add_collection("default"), HANDBOOK, page_starts=(0, 30))
    start = HANDBOOK.index(QUOTE)
    query = f"start={start}&end={start + len(QUOTE)}&chunk={chunk.chunk_id}"
    body = (await read(folder, f"/v1/documents/{chunk.document_id}/text?{query}")).json()
    assert "".join(one["text"] for one in body["segments"] if one["quoted"]) == QUOTE
    assert "".join(one["text"] for one in body["segments"]) == HANDBOOK[body["start"] : body["end"]]
    assert (body["title"], body["heading"], body["page"], body["n_pages"]) == ("员工手册", ["第二章 休假"], 2, 2)
    assert body["current"] is True


async def test_document_says_it_changed_when_the_chunk_is_gone(folder: FakeFolder):
    chunk = folder.add_document(folder.add_collection("default"), HANDBOOK)
    body = (await read(folder, f"/v1/documents/{chunk.document_id}/text?chunk=ch_old")).json()
    assert (body["current"], body["heading"], body["page"]) == (False, [], None)


async def test_offsets_beyond_the_text_are_no_error(folder: FakeFolder):
    chunk = folder.add_document(folder.add_collection("default"), "短")
    body = (await read(folder, f"/v1/documents/{chunk.document_id}/text?start=900&end=950")).json()
    assert [one for one in body["segments"] if one["quoted"]] == []


async def test_bad_offsets_are_named(folder: FakeFolder):
    reply = await read(folder, "/v1/documents/doc_1/text?start=-1")
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "start")


async def test_unknown_document_is_404(folder: FakeFolder):
    reply = await read(folder, "/v1/documents/nope/text")
    assert (reply.status_code, reply.json()["error"]["message"]) == (404, "没有文档 'nope'。")
