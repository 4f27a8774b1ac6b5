"""The middle of a source leaves, at sentence ends (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from assistant.sources.source import Source
from retrieval.rerankers.coverage import sentence_spans

Span = tuple[int, int]

# Outside most vocabularies, so up to four tokens each: rare characters, emoji.
_RARE = re.compile(r"[\u3400-\u4dbf\U00010000-\U0010ffff]")
_CLAUSE = re.compile(r"[^，、；：,;:\n]*[，、；：,;:\n]*\s*")


@dataclass(frozen=True, slots=True)
class Unit:
    """The smallest piece of a source that stays or goes: a sentence, or a part of a long one.

    Args:
        start: First character in the source's text.
        end: One past the last.
        sentence: Which sentence it belongs to, from 0.
    """

    start: int
    end: int
    sentence: int


def units(text: str, most_chars: int) -> tuple[Unit, ...]:
    """Cut a text into units, each character in one of them.

    Sentences of more than `most_chars` are cut at commas, and where there is none, anywhere.
    """
    starts = [0, *(start for start, _ in sentence_spans(text)[1:]), len(text)]
    return tuple(
        Unit(start, end, number)
        for number in range(len(starts) - 1)
        for start, end in _clauses(text, starts[number], starts[number + 1], most_chars)
    )


def shorten(
    source: Source, held: Sequence[Unit], tokens: Sequence[int], room: int, *, mark: int, spare: int
) -> tuple[Source, int] | None:
    """Leave out the middle, as little as fits; of neighbouring chunks, what lies around the best one first.

    Args:
        source: As it is.
        held: Its text's units.
        tokens: Of each unit.
        room: Tokens for its text.
        mark: Tokens of the mark that stands for what is left out.
        spare: Tokens that may stay unused for the sake of whole sentences; with more than that left, a part of a
            sentence fills them.

    Returns:
        The source with what is omitted, and the tokens of what is left with its marks; None if nothing would be.
    """
    inside, around = _sentences(source, held)
    left = room - mark * (3 if around[0] or around[1] else 1)
    kept: set[int] = set()
    blocked: list[list[int]] = []
    for ends in (_from_both_ends(inside), _from_both_ends([*around[1], *around[0]])):
        closed: set[bool] = set()
        for sentence, is_front in ends:
            cost = sum(tokens[at] for at in sentence)
            if is_front in closed:
                continue
            if cost <= left:
                kept.update(sentence)
                left -= cost
            else:
                closed.add(is_front)
                blocked.append(sentence if is_front else sentence[::-1])
        if blocked:
            break
    for sentence in blocked if left > spare else ():
        for at in sentence:
            if tokens[at] > left or left <= spare:
                break
            kept.add(at)
            left -= tokens[at]
    omitted = _gaps(held, kept)
    return (replace(source, omitted=omitted), sum(tokens[at] for at in kept) + mark * len(omitted)) if kept else None


def extend(source: Source, held: Sequence[Unit], tokens: Sequence[int], room: int, *, mark: int) -> tuple[Source, int]:
    """Show more of a shortened source, never less: each gap closes from its front as far as fits.

    Args:
        source: As it was shortened.
        held: Its text's units.
        tokens: Of each unit.
        room: Tokens for more.
        mark: Tokens of the mark, which goes with the last unit of a gap.

    Returns:
        The source, and how many of the tokens it takes.
    """
    used = 0
    omitted: list[Span] = []
    for start, end in source.omitted:
        for unit, cost in zip(held, tokens, strict=True):
            if unit.start != start or start == end:
                continue
            more = cost - (mark if unit.end == end else 0)
            if used + more > room:
                break
            used, start = used + more, unit.end
        omitted += [(start, end)] if start < end else []
    return replace(source, omitted=tuple(omitted)), used


def _sentences(source: Source, held: Sequence[Unit]) -> tuple[list[list[int]], tuple[list[list[int]], list[list[int]]]]:
    """Return the sentences, as lists of units: those of the best chunk, and those before and after it."""
    found: dict[int, list[int]] = {}
    for at, unit in enumerate(held):
        found.setdefault(unit.sentence, []).append(at)
    start, end = _best_span(source)
    before = [one for one in found.values() if held[one[-1]].end <= start]
    after = [one for one in found.values() if held[one[0]].start >= end]
    return list(found.values())[len(before) : len(found) - len(after)], (before, after)


def _from_both_ends(sentences: Sequence[list[int]]) -> Iterator[tuple[list[int], bool]]:
    """Yield the first, the last, the second, ... and whether each comes from the front."""
    front, back = 0, len(sentences) - 1
    while front <= back:
        yield sentences[front], True
        if front < back:
            yield sentences[back], False
        front, back = front + 1, back - 1


def _best_span(source: Source) -> Span:
    """Return where the best chunk lies in the source's text."""
    length, end = 0, source.first.start
    for scored in source.chunks:
        chunk = scored.chunk
        start = length
        length += (1 if chunk.start > end else 0) + max(0, len(chunk.text) - max(0, end - chunk.start))
        if scored is source.best:
            return start, length
        end = max(end, chunk.end)
    return 0, length


def _gaps(held: Sequence[Unit], kept: set[int]) -> tuple[Span, ...]:
    gaps: list[Span] = []
    for at, unit in enumerate(held):
        if at in kept:
            continue
        if gaps and gaps[-1][1] == unit.start:
            gaps[-1] = gaps[-1][0], unit.end
        else:
            gaps.append((unit.start, unit.end))
    return tuple(gaps)


def _clauses(text: str, start: int, end: int, most_chars: int) -> Iterator[Span]:
    if _RARE.search(text, start, end):
        most_chars = max(1, most_chars // 4)
    if end - start <= most_chars:
        yield start, end
        return
    while start < end:
        found = _CLAUSE.match(text, start, min(end, start + most_chars))
        stop = found.end() if found is not None and found.end() > start else end
        yield start, stop
        start = stop
