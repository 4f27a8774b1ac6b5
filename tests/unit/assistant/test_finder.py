from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from assistant.conversation.plan import Plan
from assistant.conversation.search import Search
from assistant.finder import Finder, add_scores, interleave
from retrieval.models import Evidence, Retrieval, ScoredChunk
from tests.unit.assistant.builders import FakeCatalog, source


def hit(name: str, score: float = 1.0) -> ScoredChunk:
    return replace(source(f"{name}的全文，与别的都不同。", name=name), score=score)


def found(*hits: ScoredChunk, question: str = "q", coverage: float = 0.0) -> Retrieval:
    return Retrieval(question, "default", hits, Evidence(coverage=coverage))


def names(hits: Sequence[ScoredChunk]) -> list[str]:
    return [scored.chunk.source for scored in hits]


class Recorder:
    """Finds what it is told to, by question, and remembers what it was asked."""

    def __init__(self, known: Mapping[str, Retrieval]) -> None:
        self.known = known
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def retrieve(
        self,
        question: str,
        *,
        collection: str = "default",
        top_k: int | None = None,
        context: Sequence[str] = (),
        filters: Mapping[str, str] = {},
    ) -> Retrieval:
        self.asked.append((question, tuple(context)))
        return self.known[question]


WHOLE = found(hit("a"), hit("b"), hit("c"), question="甲和乙", coverage=0.4)
ONE = found(hit("b", 0.9), hit("d", 0.5), question="甲", coverage=0.8)
OTHER = found(hit("e", 0.3), hit("a", 0.2), question="乙", coverage=0.7)


def test_one_search_is_made_when_the_question_is_over_one_fact() -> None:
    retriever = Recorder({"甲": ONE})
    result = Finder(retriever, FakeCatalog(), top_k=10).find(Plan("甲", (Search("甲", ("前",)),)), "default", {})
    assert retriever.asked == [("甲", ("前",))]
    assert result.retrieval == ONE
    assert result.parts == ()
    assert result.embedder == "none"


def test_chunks_of_all_parts_are_found_when_the_question_is_over_several_facts() -> None:
    plan = Plan("甲和乙", (Search("甲和乙"), Search("甲"), Search("乙")))
    result = Finder(Recorder({"甲和乙": WHOLE, "甲": ONE, "乙": OTHER}), None, top_k=4).find(plan, "default", {})
    assert names(result.retrieval.hits) == ["b", "e", "a", "d"]
    assert (result.retrieval.question, result.retrieval.evidence) == ("甲和乙", WHOLE.evidence)
    assert result.parts == (ONE, OTHER)


def test_the_best_of_each_are_worth_the_same_when_lists_are_interleaved() -> None:
    merged = interleave([ONE, OTHER], top_k=10)
    assert [(scored.chunk.source, round(scored.score, 6)) for scored in merged] == [
        ("b", 0.9),
        ("e", 0.9),
        ("d", 0.5),
        ("a", 0.8),
    ]


def test_near_copies_are_dropped_when_they_come_from_different_parts() -> None:
    copy = replace(hit("a"), chunk=replace(hit("a").chunk, chunk_id="copy"))
    assert names(interleave([found(hit("a")), found(copy, hit("b"))], top_k=10)) == ["a", "b"]


def test_nothing_is_found_when_no_part_finds_anything() -> None:
    assert interleave([found(), found()], top_k=10) == ()
    assert names(interleave([found(), found(hit("a"))], top_k=10)) == ["a"]


def test_what_both_find_comes_first_when_a_rewriting_is_searched_too() -> None:
    plan = Plan("它呢", (Search("它呢", ("甲",)),), rewritten="甲和乙")
    retriever = Recorder({"它呢": found(hit("x", 0.9), hit("a", 0.8), question="它呢"), "甲和乙": WHOLE})
    result = Finder(retriever, None, top_k=3).find(plan, "default", {})
    assert retriever.asked == [("它呢", ("甲",)), ("甲和乙", ())]
    assert names(result.retrieval.hits) == ["a", "b", "c"]
    assert result.retrieval.question == "它呢"
    assert result.rewritten == WHOLE


def test_half_a_score_is_left_when_one_search_alone_finds_a_chunk() -> None:
    hits = add_scores(found(hit("a", 0.8), hit("b", 0.2)), found(hit("b", 0.4)), top_k=10)
    assert [(scored.chunk.source, round(scored.score, 6)) for scored in hits] == [("a", 0.4), ("b", 0.3)]
