from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from api.sse import DONE, Envelope, decode_events, encode_event
from assistant.events import DoneEvent, Usage
from retrieval.errors import HuoziError, Message
from retrieval.models import Chunk
from tests.unit.api.service import HANDBOOK, QUOTE, cite, script

ENVELOPE = Envelope("chatcmpl-1", 1, "huozi-rag", "http://127.0.0.1:8080")
CHUNK = Chunk("ch_1", "doc_1", "ver_1", 0, "员工手册", "hr/员工手册.txt", HANDBOOK, 0, len(HANDBOOK), 1, ("第二章",))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\n\r\u2028\u2029\x85\x0b\x1c😀𠮷䶮"))


@given(st.lists(TEXTS))
def test_texts_come_back_when_they_are_encoded_and_decoded(texts: list[str]):
    stream = b"".join(map(ENVELOPE.text, texts)) + DONE
    *chunks, done = decode_events(stream)
    assert [json.loads(chunk)["choices"][0]["delta"]["content"] for chunk in chunks] == texts
    assert done == "[DONE]"


@given(TEXTS)
def test_event_is_one_line_to_every_reader_when_the_text_has_line_ends(text: str):
    event = encode_event({"text": text}).decode("utf-8")
    assert len(event.splitlines()) == 2  # the data, and the empty line that ends the event


@given(TEXTS, st.integers(1, 40))
def test_decoder_drops_what_is_open_when_the_stream_is_cut(text: str, cut: int):
    whole = ENVELOPE.text(text)
    assert list(decode_events(whole + whole[: -min(cut, len(whole) - 1)]))[:1] == list(decode_events(whole))


def test_lone_surrogate_becomes_a_question_mark_when_encoded():
    (event,) = decode_events(ENVELOPE.text("a\ud800b"))
    assert json.loads(event)["choices"][0]["delta"]["content"] == "a?b"


def test_last_chunk_has_citations_beside_choices_when_the_answer_ends():
    done = script("年假 5 天[1]。", citations=[cite(CHUNK, QUOTE, page=1)])[-1]
    assert isinstance(done, DoneEvent)
    last, usage, end = decode_events(ENVELOPE.closing(done.answer, include_usage=True))
    chunk = json.loads(last)
    assert chunk["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]
    start = HANDBOOK.index(QUOTE)
    assert chunk["citations"] == [
        {
            "index": 1,
            "quote": QUOTE,
            "chunk_id": "ch_1",
            "document_id": "doc_1",
            "version_id": "ver_1",
            "title": "员工手册",
            "source": "hr/员工手册.txt",
            "page": 1,
            "heading": ["第二章"],
            "start": start,
            "end": start + len(QUOTE),
            "score": 0.87,
            "url": f"http://127.0.0.1:8080/documents/doc_1?start={start}&end={start + len(QUOTE)}&chunk=ch_1",
        }
    ]
    assert (chunk["refused"], chunk["mode"]) == (False, "generated")
    assert json.loads(usage)["choices"] == []
    assert json.loads(usage)["usage"] == {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19}
    assert end == "[DONE]"


def test_stream_has_no_usage_when_nobody_asked_for_it():
    done = script("好", usage=Usage())[-1]
    assert isinstance(done, DoneEvent)
    assert len(list(decode_events(ENVELOPE.closing(done.answer, include_usage=False)))) == 2


def test_failure_is_an_error_event_and_the_end_mark():
    error, end = decode_events(ENVELOPE.failure(HuoziError(Message("broke", "坏了")), "zh"))
    assert json.loads(error)["error"]["message"] == "坏了"
    assert end == "[DONE]"


def test_text_chunk_says_its_role_only_once():
    opening, text = decode_events(ENVELOPE.opening() + ENVELOPE.text("好"))
    assert json.loads(opening)["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert json.loads(text)["choices"][0]["delta"] == {"content": "好"}
