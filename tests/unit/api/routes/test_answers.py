from __future__ import annotations

import json
from typing import Any

import pytest

from api.sse import decode_events
from assistant.errors import server_down
from assistant.events import DraftEvent, TextEvent, Usage
from assistant.window.cut import Cut, DroppedSource, ShortenedSource
from retrieval.models import ScoredChunk
from tests.unit.api.service import HANDBOOK, KEY, QUOTE, FakeFolder, ScriptedAssistant, build, cite, client, script

QUESTION = {"model": "huozi-rag", "messages": [{"role": "user", "content": "年假有多少天？"}]}


async def post(app: Any, **body: Any) -> Any:
    async with client(app) as http:
        return await http.post("/v1/chat/completions", json=QUESTION | body)


async def get(app: Any, path: str, **options: Any) -> Any:
    async with client(app) as http:
        return await http.get(path, **options)


def found(folder: FakeFolder, assistant: ScriptedAssistant) -> ScoredChunk:
    chunk = folder.add_document(folder.add_collection("default"), HANDBOOK, page_starts=(0,))
    scored = ScoredChunk(chunk, 21.0, keyword=20.1234567, similarity=0.9, coverage=0.5, fused=20.5)
    assistant.found = [scored]
    return scored


@pytest.mark.parametrize("stream", [False, True])
async def test_answer_is_found_by_its_completions_id(folder: FakeFolder, stream: bool):
    assistant = ScriptedAssistant()
    chunk = found(folder, assistant).chunk
    assistant.steps = script("5 天[1]。", citations=[cite(chunk, QUOTE)])
    app = build(folder, assistant)
    reply = await post(app, stream=stream)
    chunks = [json.loads(event) for event in list(decode_events(reply.content))[:-1]] if stream else [reply.json()]
    trace = (await get(app, f"/v1/answers/{chunks[-1]['id']}")).json()
    assert (trace["id"], trace["object"]) == (chunks[-1]["answer_id"], "answer.trace")
    assert reply.headers["x-request-id"] == trace["id"]
    assert (trace["question"], trace["mode"], trace["error"]) == ("年假有多少天？", "generated", None)
    assert trace["retrieval"]["candidates"] == [
        {
            "chunk_id": "ch_1", "document_id": "doc_1", "version_id": "ver_1", "keyword": 20.123457,
            "similarity": 0.9, "fused": 20.5, "coverage": 0.5, "score": 21.0, "source": 1, "title": "员工手册",
            "source_name": "hr/员工手册.txt", "page": None, "heading": ["第二章 休假"],
        }
    ]  # fmt: skip
    assert trace["answer"]["kept"][0]["start"] == HANDBOOK.index(QUOTE)


async def test_candidate_has_no_title_when_its_document_is_gone(folder: FakeFolder):
    assistant = ScriptedAssistant()
    found(folder, assistant)
    assistant.steps = script("5 天。")
    app = build(folder, assistant)
    answer_id = (await post(app)).json()["id"]
    folder.catalog.chunks.clear()
    (candidate,) = (await get(app, f"/v1/answers/{answer_id}")).json()["retrieval"]["candidates"]
    assert (candidate["chunk_id"], candidate["title"]) == ("ch_1", None)
    folder.catalog.collections.clear()
    assert (await get(app, f"/v1/answers/{answer_id}")).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_failed_answer_is_found_by_the_id_in_its_header(folder: FakeFolder, stream: bool):
    app = build(folder, ScriptedAssistant(server_down("http://127.0.0.1:1/v1")))
    reply = await post(app, stream=stream)
    assert reply.status_code == 503
    trace = (await get(app, f"/v1/answers/{reply.headers['x-request-id']}")).json()
    assert trace["error"]["step"] == "answer"
    assert trace["answer"] is None


async def test_question_without_utf8_is_told_with_a_question_mark(folder: FakeFolder):
    assistant = ScriptedAssistant(*script("好"))
    app = build(folder, assistant)
    async for _ in assistant.astream("年假\ud842？", answer_id="chatcmpl-1"):
        pass
    assert (await get(app, "/v1/answers/chatcmpl-1")).json()["question"] == "年假?？"
    assert (await get(app, "/v1/answers")).json()["data"][0]["question"] == "年假?？"


async def test_unknown_answer_is_404(folder: FakeFolder):
    reply = await get(build(folder, ScriptedAssistant()), "/v1/answers/chatcmpl-x")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "answer_not_found")
    assert reply.json()["error"]["type"] == "invalid_request_error"
    assert (await get(build(folder, ScriptedAssistant()), "/v1/answers?after=chatcmpl-x")).status_code == 404


async def test_answers_are_listed_newest_first_a_page_at_a_time(folder: FakeFolder):
    app = build(folder, ScriptedAssistant(*script("好")))
    ids = [(await post(app)).json()["id"] for _ in range(3)]
    first = (await get(app, "/v1/answers?limit=2")).json()
    assert [one["id"] for one in first["data"]] == [ids[2], ids[1]]
    assert (first["has_more"], first["last_id"]) == (True, ids[1])
    assert {key: first["data"][0][key] for key in ("object", "question", "mode", "collection", "error")} == {
        "object": "answer", "question": "年假有多少天？", "mode": "generated", "collection": "default", "error": None,
    }  # fmt: skip
    second = (await get(app, f"/v1/answers?limit=2&after={ids[1]}")).json()
    assert ([one["id"] for one in second["data"]], second["has_more"]) == ([ids[0]], False)
    assert (await get(app, "/v1/answers?limit=0")).status_code == 400


async def test_trace_needs_a_key_when_there_are_keys(folder: FakeFolder):
    folder.catalog.keys.tokens.add(KEY)
    app = build(folder, ScriptedAssistant(*script("好")))
    for path in ("/v1/answers", "/v1/answers/chatcmpl-x"):
        assert (await get(app, path)).status_code == 401
    reply = await get(app, "/v1/answers", headers={"authorization": f"Bearer {KEY}"})
    assert reply.json()["data"] == []


DRAFTS = [DraftEvent("每年"), DraftEvent("有 5 天"), TextEvent("每年有 5 天。"), DraftEvent("瞎编"), TextEvent("")]


async def test_drafts_come_beside_choices_when_asked_for(folder: FakeFolder):
    steps = script("每年有 5 天。")
    app = build(folder, ScriptedAssistant(steps[0], *DRAFTS, *steps[2:]))
    reply = await post(app, stream=True, stream_options={"include_drafts": True})
    chunks = [json.loads(event) for event in list(decode_events(reply.content))[:-1]]
    told = [(one.get("draft"), one["choices"][0]["delta"].get("content")) for one in chunks]
    assert told == [
        (None, ""), ("每年", None), ("有 5 天", None), (None, "每年有 5 天。"), ("瞎编", None), (None, ""),
        (None, None),
    ]  # fmt: skip


async def test_no_draft_and_no_empty_text_is_sent_unless_asked_for(folder: FakeFolder):
    steps = script("每年有 5 天。")
    app = build(folder, ScriptedAssistant(steps[0], *DRAFTS, *steps[2:]))
    reply = await post(app, stream=True)
    chunks = [json.loads(event) for event in list(decode_events(reply.content))[:-1]]
    assert [one["choices"][0]["delta"].get("content") for one in chunks] == ["", "每年有 5 天。", None]
    assert "瞎编" not in reply.text


async def test_unsupported_sentences_are_told_with_their_place(folder: FakeFolder):
    text = "𠮷😀每年 5 天。另有奖金。"
    steps = script(text, unsupported=((9, 14),))
    reply = (await post(build(folder, ScriptedAssistant(*steps)))).json()
    assert reply["unsupported"] == [{"start": 9, "end": 14, "text": text[9:14]}]


async def test_usage_tells_what_was_cached_and_cut(folder: FakeFolder):
    cut = Cut(
        dropped_sources=(DroppedSource(5, ("c5",), 90), DroppedSource(6, ("c6",), 80)),
        shortened_sources=(ShortenedSource(2, ("c2",), 50, 40, ((3, 9),)),),
        dropped_turns=4,
    )
    steps = script("好", usage=Usage(12, 7, 8), cut=cut)
    usage = (await post(build(folder, ScriptedAssistant(*steps)))).json()["usage"]
    assert usage["prompt_tokens_details"] == {
        "cached_tokens": 8, "dropped_sources": 2, "shortened_sources": 1, "dropped_turns": 4,
    }  # fmt: skip


@pytest.mark.parametrize("mode", ["generated", "extractive", "refused", "spoken"])
async def test_mode_is_told_beside_the_text(folder: FakeFolder, mode: str):
    body = (await post(build(folder, ScriptedAssistant(*script("好", mode=mode))))).json()
    assert (body["mode"], body["refused"]) == (mode, mode == "refused")
