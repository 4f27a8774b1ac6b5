"""Markers in a streamed answer -> checked citations (pure).

A model writes `[1]`, `[1][2]`, `[1,2]`, `【1】` or `［1］` after a sentence. What the reader gets is `[1]` alone, and
only where a source of that number exists and shares words with the sentence. Each marker that stays has a citation
whose quote is the sentence of the source that supports it best. Control tokens that the model quotes in their
neutralised form are shown as they stand in the source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from assistant.checking.support import best_sentence, has_han, share, tokens
from assistant.control_tokens import RestoringStream
from assistant.events import Citation
from assistant.sources.source import Source
from retrieval.models import Chunk, ScoredChunk
from retrieval.rerankers.coverage import sentence_spans

PageOf = Callable[[Chunk, int], int | None]
"""Chunk and character offset -> 1-based page, or None."""

MIN_SUPPORT = 0.1
"""Least share of a sentence's words that the cited chunk must hold; below it the marker is dropped as made up."""

_NUMBERS = r"(?:资料|来源)?\s*\d{1,3}(?:\s*[,，、]\s*(?:资料|来源)?\s*\d{1,3})*\s*"
_MARKER = re.compile(rf"[\[【［]\s*({_NUMBERS})[\]】］]")
# What may still become a marker: an open bracket and, so far, nothing that a marker cannot hold.
_OPEN = re.compile(r"[\[【［][\s\d,，、资料来源]{0,40}\Z")
_PLAIN_MARKERS = re.compile(r"(?:\[\d+\])+")


def page_of_chunk(chunk: Chunk, offset: int) -> int | None:
    """Return the page on which the chunk starts: all that is known without the document's page starts."""
    del offset
    return chunk.page


def without_markers(text: str) -> str:
    """Return the answer without its `[n]` markers."""
    return _PLAIN_MARKERS.sub("", text)


def cite(number: int, source: ScoredChunk, start: int, end: int, page_of: PageOf = page_of_chunk) -> Citation:
    """Return the citation of source `number` that quotes `source.chunk.text[start:end]`."""
    chunk = source.chunk
    first, last = chunk.start + start, chunk.start + end
    return Citation(number, source, chunk.text[start:end], first, last, page_of(chunk, first))


class CitationStream:
    """Cleans the markers of a text that arrives in pieces, and collects their citations.

    Args:
        sources: What the numbers stand for.
        page_of: Where an offset lies.
    """

    def __init__(self, sources: Sequence[Source], page_of: PageOf = page_of_chunk) -> None:
        self._sources = {source.number: source for source in sources}
        self._page_of = page_of
        self._restored = RestoringStream()
        self._held = ""
        self._text = ""
        self._citations: list[Citation] = []
        self._leading: list[tuple[int, int]] = []

    @property
    def text(self) -> str:
        """Everything returned so far."""
        return self._text

    def feed(self, piece: str) -> str:
        """Take more of the model's text, and return what may be shown: all but what may be the start of a marker."""
        pending = self._held + self._restored.feed(piece)
        opened = _OPEN.search(pending)
        ready = pending[: opened.start()] if opened else pending
        self._held = pending[len(ready) :]
        return self._clean(ready)

    def finish(self) -> str:
        """Return what was still held back; call once, at the end."""
        ready, self._held = self._held + self._restored.finish(), ""
        return self._clean(ready)

    def citations(self) -> tuple[Citation, ...]:
        """Return the citations of all markers so far, by number, then by place in the document; each quote once."""
        found = self._citations + [self._citation(number, self._text[at:]) for number, at in self._leading]
        unique = {(citation.index, citation.start, citation.end): citation for citation in found}
        return tuple(unique[key] for key in sorted(unique))

    def _clean(self, ready: str) -> str:
        before = len(self._text)
        position = 0
        for match in _MARKER.finditer(ready):
            self._text += ready[position : match.start()]
            position = match.end()
            for number in dict.fromkeys(int(digits) for digits in re.findall(r"\d+", match[1])):
                self._mark(number)
        self._text += ready[position:]
        return self._text[before:]

    def _mark(self, number: int) -> None:
        """Write the marker if it stands for something."""
        if number not in self._sources:
            return
        claim = _last_sentence(self._text)
        if not claim:
            # The marker stands before its sentence; what it supports is known when the text is whole.
            self._text += f"[{number}]"
            self._leading.append((number, len(self._text)))
        elif any(is_supported(claim, scored.chunk) for scored in self._sources[number].chunks):
            self._text += f"[{number}]"
            self._citations.append(self._citation(number, claim))

    def _citation(self, number: int, claim: str) -> Citation:
        spans = sentence_spans(claim)
        sentence = without_markers(claim[spans[0][0] : spans[0][1]]) if spans else claim
        wanted = set(tokens(sentence))
        source = max(
            self._sources[number].chunks, key=lambda scored: share(wanted, set(tokens(scored.chunk.embedded_text)))
        )
        return cite(number, source, *best_sentence(sentence, source.chunk.text), self._page_of)


def is_supported(claim: str, chunk: Chunk) -> bool:
    """Whether the chunk shares enough words with the sentence to be its source.

    Shared words say nothing where sentence and chunk are in different scripts; such a citation stays.
    """
    wanted = tokens(claim)
    if not wanted or has_han(claim) != has_han(chunk.text):
        return True
    return share(wanted, set(tokens(chunk.embedded_text))) >= MIN_SUPPORT


def _last_sentence(text: str) -> str:
    """Return the sentence that a marker at the end of the text stands for, or "" if there is none on its line."""
    line = _PLAIN_MARKERS.sub("", text.rpartition("\n")[2])
    spans = sentence_spans(line)
    return line[spans[-1][0] : spans[-1][1]].strip(" -*#·•>") if spans else ""
