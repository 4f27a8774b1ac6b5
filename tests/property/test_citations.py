"""Citations under any text: every one slices back to its document, and how the text arrives changes nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assistant.checking.check import SentenceCheck
from assistant.checking.quotes import locate
from assistant.checking.stream import CheckedStream, Mode
from assistant.control_tokens import neutralise
from assistant.events import Turn
from assistant.sources.source import number_chunks
from assistant.window.bound import token_bound
from assistant.writers.extract import extract
from retrieval.keyword.folding import fold
from retrieval.models import Chunk, ScoredChunk
from retrieval.rerankers.coverage import sentence_spans
from tests.unit.assistant.builders import packed

PIECES = [
    "年假",
    "5天",
    "。",
    "，",
    "\n",
    " ",
    "[1]",
    "[2]",
    "【1】",
    "［３］",
    "[1,2]",
    "[99]",
    "[",
    "]",
    "<",
    "·",
    "|",
    "s>",
    "a",
    "𠮷",
    "䶮",
    "é",
    "😀",
    "臺",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=30).map("".join) | st.text(max_size=40)
FULL_TEXTS = TEXTS.filter(bool)


def chunk_of(document: str, start: int, end: int) -> ScoredChunk:
    chunk = Chunk("c", "f", "v", 0, "题", "a.txt", document[start:end], start, end)
    return ScoredChunk(chunk, 1.0)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, list[ScoredChunk]]:
    document = draw(FULL_TEXTS)
    cuts = draw(st.lists(st.tuples(st.integers(0, len(document) - 1), st.integers(1, len(document))), max_size=4))
    return document, [chunk_of(document, start, end) for start, end in cuts if start < end]


def check(
    sources: list[ScoredChunk], answer: str, mode: Mode, size: int, question: str = "年假有几天？"
) -> CheckedStream:
    """Settle an answer that arrives in pieces of some size."""
    checked = CheckedStream(SentenceCheck(number_chunks(sources), question), mode)
    shown = [checked.settle(one) for i in range(0, len(answer), size) for one in checked.feed(answer[i : i + size])]
    shown += [checked.settle(one) for one in checked.finish()]
    assert "".join([*shown, checked.end()]) == checked.text
    return checked


@given(documents(), TEXTS, st.integers(1, 7), st.sampled_from(["strict", "helpful"]))
def test_quotes_slice_back_when_any_text_is_cited(
    made: tuple[str, list[ScoredChunk]], answer: str, size: int, mode: Mode
) -> None:
    document, sources = made
    checked, whole = check(sources, answer, mode, size), check(sources, answer, mode, max(1, len(answer)))
    assert (checked.text, checked.citations) == (whole.text, whole.citations)
    assert (checked.dropped, checked.unsupported) == (whole.dropped, whole.unsupported)
    for citation in checked.citations:
        assert citation.quote and document[citation.start : citation.end] == citation.quote
        assert sources[citation.index - 1] is citation.source
        assert f"[{citation.index}]" in checked.text
    assert all(checked.text[start:end].strip() for start, end in checked.unsupported)
    assert mode == "helpful" or not checked.unsupported


@given(FULL_TEXTS, st.integers(1, 7))
def test_every_sentence_is_kept_with_a_citation_when_it_is_copied(document: str, size: int) -> None:
    sources = [chunk_of(document, 0, len(document))]
    for start, end in sentence_spans(document):
        sentence = document[start:end]
        checked = check(sources, f"{sentence}\n", "strict", size, "")
        if sentence.isalpha() and len(sentence) > 3:
            assert checked.text == f"{sentence}[1]" and checked.citations[0].quote


@given(FULL_TEXTS, st.data())
def test_place_is_found_when_words_are_copied(document: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(document) - 1))
    end = data.draw(st.integers(start + 1, len(document)))
    words = "".join(character for character in fold(document[start:end]) if character.isalnum())
    found = locate(words, document) if words else None
    if found is not None:
        inside = "".join(character for character in fold(document[slice(*found)]) if character.isalnum())
        assert words in inside


@given(documents(), TEXTS)
def test_extracts_are_whole_sentences_when_any_question_is_asked(
    made: tuple[str, list[ScoredChunk]], question: str
) -> None:
    found = extract(question, made[1], max_sentences=3)
    assert len(found) <= 3
    for one in found:
        assert (one.start, one.end) in sentence_spans(made[1][one.number - 1].chunk.text)


@given(TEXTS)
def test_sentences_hold_all_but_white_space_when_cut(text: str) -> None:
    spans = sentence_spans(text)
    assert all(start < end for start, end in spans)
    assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:], strict=False))
    assert "".join("".join(text[start:end] for start, end in spans).split()) == "".join(text.split())


@given(documents(), TEXTS, st.lists(TEXTS, max_size=4), st.integers(3000, 6000))
def test_window_is_never_over_budget_when_packed(
    made: tuple[str, list[ScoredChunk]], question: str, turns: list[str], window_tokens: int
) -> None:
    history = [Turn("user", text * 5) for text in turns]
    window = packed(question, history, number_chunks(made[1] * 3), window_tokens=window_tokens, answer_tokens=300)
    assert sum(token_bound(turn.text) for turn in window.messages) <= window_tokens - 300
    assert window.messages[-1].text.endswith(f"问题：{neutralise(question)}")
