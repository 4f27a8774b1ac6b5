"""An answer without a model: the sentences of the best chunks that say most about the question (pure).

A sentence is worth what it covers of the question, what its neighbours cover, how well its chunk was ranked, and
whether it holds the kind of thing that is asked for: a number, a date, a place. docs/answers.md has the measurements.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from assistant.checking.quotes import CELL, quotable_spans
from retrieval.keyword.folding import fold
from retrieval.keyword.tokens import query_weights, tokenize
from retrieval.models import ScoredChunk

# Found on the development sets, all together; MAX_GAP trades spare sentences for precision: docs/answers.md.
NEIGHBOUR_WEIGHT = 0.15
RANK_WEIGHT = 0.55
KIND_WEIGHT = 0.12
PLACE_WEIGHT = 0.1
LENGTH_WEIGHT = 0.05
QUESTION_PENALTY = 0.3
SIGNATURE_PENALTY = 0.3
SAME_CHUNK_BONUS = 0.2
MAX_GAP = 0.4
"""A further sentence is quoted only if it is worth nearly as much as the first."""

_DIGITS = r"\d|百分之|[一二三四五六七八九十百千万亿两][年月日天个名位元人次条岁倍%]"
_DATES = r"[\d一二三四五六七八九十〇零两]{1,4}\s*[年月日号时点]|世纪|朝|\d{4}"
_PLACES = r"[省市县区州国镇村路街洲岛]|位于|地处"
_KINDS = tuple(
    (re.compile(asked), re.compile(held), weight, penalty)
    for asked, held, weight, penalty in (
        (
            r"多少|几|多[久大长高远重快]|比例|百分|金额|数量|人数|费用|价格|how (?:many|much|long)",
            _DIGITS,
            KIND_WEIGHT,
            KIND_WEIGHT,
        ),
        (
            r"什么时候|何时|哪一?[年天日]|哪个?月|几[月号]|时间|日期|\bwhen\b",
            _DATES,
            KIND_WEIGHT,
            KIND_WEIGHT,
        ),
        (r"哪[里儿]|何[地处]|在哪|什么地方|哪个?[国省市县城]|\bwhere\b", _PLACES, PLACE_WEIGHT, 0.0),
    )
)
MAX_LIST_CHARS = 300
_LIST_ITEM = re.compile(r"[-*•] |\d{1,3}[.、)）]|[(（](?:\d{1,3}|[一二三四五六七八九十]{1,3})[)）]|[①-⑳]")
# Who and when under a text, or its date alone: full of the document's own words, and states nothing else.
_IS_SIGNATURE = re.compile(
    r"[^。！？；：，、!?;:,|=]*[\d〇零一二三四五六七八九]{4}年[\d一二三四五六七八九十]{1,2}月[\d一二三四五六七八九十]{1,3}日"
)
_ASKS_SIGNATURE = re.compile(
    r"谁|哪一?[年天日]|什么时候|何时|哪个?月|几[月号]|时间|日期|部门|单位|机构|公司叫|\bwh(?:o|en)\b"
)
_IS_QUESTION = re.compile(r"[？?]\W*$")


@dataclass(frozen=True, slots=True)
class Extract:
    """A quoted sentence.

    Args:
        number: The n of `[n]`: place of its chunk among the sources, from 1.
        start: First character in the chunk's text.
        end: One past the last.
        score: Higher is better.
    """

    number: int
    start: int
    end: int
    score: float


def extract(question: str, sources: Sequence[ScoredChunk], *, max_sentences: int) -> tuple[Extract, ...]:
    """Return the sentences that answer the question best, in reading order of the sources.

    Sentences of the best one's chunk are preferred; others must be worth nearly as much.

    Args:
        question: As asked.
        sources: Best first.
        max_sentences: Most sentences to return.
    """
    asked = set(query_weights(question))
    spans = [quotable_spans(source.chunk.text) for source in sources]
    sentences = [
        [_tokens(source.chunk.text, span) for span in held] for source, held in zip(sources, spans, strict=True)
    ]
    weights = _weights(asked, [held for chunk in sentences for held in chunk])
    kind = _kind_of(question)
    scored: list[Extract] = []
    for number, (source, chunk) in enumerate(zip(sources, sentences, strict=True), 1):
        behind = RANK_WEIGHT * (sources[0].score - source.score)
        worth = _coverages(weights, chunk, set(tokenize(source.chunk.context_line)))
        for (start, end), value in zip(spans[number - 1], worth, strict=True):
            if value > 0:
                scored.append(Extract(number, start, end, value - behind + kind(source.chunk.text[start:end])))
    return _with_lists(_choose(scored, max_sentences), sources)


def leading(sources: Sequence[ScoredChunk], *, max_sentences: int) -> tuple[Extract, ...]:
    """Return the first sentences of the best source, for when no sentence shares a word with the question.

    Args:
        sources: Best first.
        max_sentences: Most sentences to return.
    """
    if not sources:
        return ()
    return tuple(Extract(1, start, end, 0.0) for start, end in quotable_spans(sources[0].chunk.text)[:max_sentences])


def _with_lists(chosen: Sequence[Extract], sources: Sequence[ScoredChunk]) -> tuple[Extract, ...]:
    """Add to a sentence with a colon at its end the list or table that it announces.

    Only after the choice: as one candidate, a list would outweigh the sentence that answers.
    """
    result: list[Extract] = []
    for one in chosen:
        if result and one.number == result[-1].number and one.end <= result[-1].end:
            continue
        end = _announced_end(sources[one.number - 1].chunk.text, one.start, one.end)
        result.append(replace(one, end=end))
    return tuple(result)


def _announced_end(text: str, start: int, end: int) -> int:
    """Return the end of the list or table that a sentence announces; its own end if none, or one too long to quote."""
    if text[end - 1] not in ":：" or text[end : end + 1] != "\n":
        return end
    last = end + 1
    for line in text[last:].splitlines(keepends=True):
        if CELL not in line and not _LIST_ITEM.match(line):
            break
        last += len(line)
    last = end + len(text[end:last].rstrip())
    return last if last - start <= MAX_LIST_CHARS else end


def _choose(scored: Sequence[Extract], max_sentences: int) -> tuple[Extract, ...]:
    if not scored:
        return ()
    first = max(scored, key=_preference)
    rest = [
        replace(one, score=one.score + SAME_CHUNK_BONUS) if one.number == first.number else one
        for one in scored
        if one is not first
    ]
    near = [one for one in rest if one.score > first.score - MAX_GAP]
    chosen = [first, *sorted(near, key=_preference, reverse=True)[: max_sentences - 1]]
    return tuple(sorted(chosen, key=lambda one: (one.number, one.start)))


def _preference(one: Extract) -> tuple[float, int, int]:
    return one.score, -one.number, -one.start


def _tokens(text: str, span: tuple[int, int]) -> set[str]:
    return set(tokenize(text[span[0] : span[1]]))


def _weights(asked: set[str], sentences: Sequence[set[str]]) -> dict[str, float]:
    """Return each asked token's share of the question: larger the rarer among these sentences; 1 in all."""
    frequency = Counter(token for held in sentences for token in held & asked)
    n = len(sentences)
    raw = {token: math.log1p((n - frequency[token] + 0.5) / (frequency[token] + 0.5)) for token in asked}
    total = sum(raw.values()) or 1.0
    return {token: weight / total for token, weight in raw.items()}


def _coverages(weights: dict[str, float], chunk: Sequence[set[str]], context: set[str]) -> list[float]:
    """Return for each sentence of a chunk how much of the question it and its neighbours cover; 0 if it covers none.

    Title and headings count as said in every sentence.
    """
    own = [sum(weights[token] for token in held & weights.keys()) for held in chunk]
    around = [max(own[i - 1] if i else 0.0, own[i + 1] if i + 1 < len(own) else 0.0) for i in range(len(own))]
    named = sum(weights[token] for token in context & weights.keys())
    shared = [sum(weights[token] for token in held & context & weights.keys()) for held in chunk]
    return [
        one + named - both + NEIGHBOUR_WEIGHT * near if one + near > 0 else 0.0
        for one, near, both in zip(own, around, shared, strict=True)
    ]


def _kind_of(question: str) -> Callable[[str], float]:
    """Return how much more a sentence is worth for being of the kind that the question asks for."""
    folded = fold(question)
    asks_who_or_when = _ASKS_SIGNATURE.search(folded) is not None
    kinds = [(held, weight, penalty) for asked, held, weight, penalty in _KINDS if asked.search(folded)]

    def worth(sentence: str) -> float:
        text = fold(sentence)
        value = sum(weight if held.search(text) else -penalty for held, weight, penalty in kinds)
        value += LENGTH_WEIGHT * min(len(sentence), 150) / 100
        if _IS_SIGNATURE.fullmatch(text.strip()) and not asks_who_or_when:
            value -= SIGNATURE_PENALTY
        return value - QUESTION_PENALTY if _IS_QUESTION.search(text) else value

    return worth
