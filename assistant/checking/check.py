"""One sentence of a model's answer -> what of it may be shown, and with which citations (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from assistant.checking.citations import PageOf, cite, page_of_chunk
from assistant.checking.quotes import Quotable, best_quote
from assistant.checking.sentences import Sentence
from assistant.checking.support import (
    MIN_COVERED,
    Claim,
    Passage,
    Verdict,
    Wanted,
    is_sound_frame,
    judge,
    share_held,
)
from assistant.events import Citation, DroppedCitation, DropReason
from assistant.sources.source import Source

Answers = Mapping[tuple[str, int], bool]
"""What a model was asked in doubt: (sentence, number of the source) -> whether it supports it."""

NO_ANSWERS: Answers = {}
_WORD = re.compile(r"\w")
_CLAUSE_END = re.compile(r"[，,；;。]")
MIN_DOUBT = 0.3
"""Least share of a sentence that a source must hold for a model to be asked about a citation that nobody wrote."""
MIN_OWN_WEIGHT = 3.0
"""A sentence with fewer words and pairs than this means the question's words too: 5天。"""


@dataclass(frozen=True, slots=True)
class Checked:
    """A sentence after the check.

    Args:
        sentence: As the model wrote it.
        text: Its words with the markers that hold, `[n]` each; without its prefix.
        citations: What the markers stand for.
        dropped: What the check took out.
        is_supported: False for a sentence of fact that no source supports, and for a frame that tells one.
    """

    sentence: Sentence
    text: str
    citations: tuple[Citation, ...] = ()
    dropped: tuple[DroppedCitation, ...] = ()
    is_supported: bool = True

    @property
    def is_fact(self) -> bool:
        """Whether it states something."""
        return self.sentence.kind != "frame"


class _Held:
    """A source, read once, when an answer needs it."""

    def __init__(self, source: Source) -> None:
        self.source = source

    @cached_property
    def passage(self) -> Passage:
        return Passage.of([scored.chunk for scored in self.source.chunks], self.source.table_header)

    @cached_property
    def quotable(self) -> tuple[Quotable, ...]:
        return tuple(map(Quotable, self.source.chunks))


class SentenceCheck:
    """Checks sentences against the sources of an answer.

    Args:
        sources: What the numbers stand for.
        question: What a very short answer leaves out.
        page_of: Where an offset lies.
    """

    def __init__(self, sources: Sequence[Source], question: str = "", page_of: PageOf = page_of_chunk) -> None:
        self._held = {source.number: _Held(source) for source in sources}
        self._question = question
        self._page_of = page_of

    def check(self, sentence: Sentence, answers: Answers = NO_ANSWERS) -> Checked:
        """Return what of a sentence holds.

        Args:
            sentence: As read.
            answers: What a model said where the rules were in doubt.
        """
        return _Run(self, sentence, answers).checked()

    def doubts(self, sentence: Sentence) -> tuple[tuple[str, int], ...]:
        """Return what a model might know better: (sentence, source) pairs that the rules are not sure of."""
        if sentence.kind == "frame":
            return ()
        run = _Run(self, sentence, NO_ANSWERS)
        run.checked()
        return tuple(run.doubted)

    def numbers(self) -> Iterable[int]:
        """Return the numbers of the sources, in their order."""
        return self._held

    def passage(self, number: int) -> Passage:
        """Return a source's text, read."""
        return self._held[number].passage

    def has(self, number: int) -> bool:
        """Whether the number stands for a source."""
        return number in self._held

    def source_text(self, number: int) -> str:
        """Return what a source says, with the title of its document."""
        source = self._held[number].source
        return f"{source.first.context_line}\n{source.text}"

    def citation(self, number: int, claim: Claim) -> Citation:
        """Return the citation of a source for a sentence."""
        scored, (start, end) = best_quote(claim, self._held[number].quotable)
        return cite(number, scored, start, end, self._page_of)

    @cached_property
    def everything(self) -> Passage:
        """All sources and the question, read as one."""
        asked = Passage(self._question)
        return Passage.joined([*(held.passage for held in self._held.values()), asked])

    def in_context(self, claim: Claim) -> Claim:
        """Return a very short claim with the words of the question."""
        if sum(claim.weights.values()) >= MIN_OWN_WEIGHT:
            return claim
        asked = Claim.of(self._question)
        return replace(claim, weights={**asked.weights, **claim.weights})


class _Run:
    """The check of one sentence."""

    def __init__(self, sources: SentenceCheck, sentence: Sentence, answers: Answers) -> None:
        self._sources = sources
        self._sentence = sentence
        self._answers = answers
        self._claims = {at: Claim.of(text) for at, (text, _) in enumerate(sentence.parts) if _WORD.search(text)}
        self._kept: dict[int, list[int]] = {at: [] for at in range(len(sentence.parts))}
        self._supported: set[int] = set()
        self._citations: list[Citation] = []
        self._dropped: list[DroppedCitation] = []
        self.doubted: dict[tuple[str, int], None] = {}

    def checked(self) -> Checked:
        for at, (_, numbers) in enumerate(self._sentence.parts):
            self._check_markers(at, numbers)
        if self._sentence.kind == "frame":
            return self._result(is_supported=is_sound_frame(Claim.of(self._sentence.text), self._sources.everything))
        lost = [at for at in self._claims if at not in self._supported and not self._find_support(at)]
        return self._result(is_supported=not lost)

    def _check_markers(self, at: int, numbers: Sequence[int]) -> None:
        """Keep the markers behind a part whose sources support it, alone or all together."""
        said = self._said_at(at)
        if said is None:
            self._drop(numbers, "", "words")
            return
        known = [number for number in numbers if self._sources.has(number)]
        self._drop([number for number in numbers if number not in known], self._text(said), "no_such_source")
        verdicts = {number: self._judge(said, number) for number in known}
        kept = [number for number in known if verdicts[number].is_supported]
        if not kept and len(known) > 1:
            joined = Passage.joined([self._sources.passage(number) for number in known])
            if judge(self._claims[said], joined).is_supported:
                kept = [number for number in known if self._contributes(said, number)]
        for number in known:
            if number in kept:
                self._keep(at, said, number)
            else:
                self._drop([number], self._text(said), verdicts[number].reason or "words")

    def _contributes(self, at: int, number: int) -> bool:
        """Whether a source supports a clause of a part that only several together support."""
        clauses = [Claim.of(clause) for clause in _CLAUSE_END.split(self._text(at)) if _WORD.search(clause)]
        passage = self._sources.passage(number)
        return any(not clause.is_slight and judge(clause, passage).is_supported for clause in clauses)

    def _find_support(self, at: int) -> bool:
        """Look for a source of a part that has none left: what the sentence cites already, then any other."""
        claim = self._claims[at]
        cited = [number for kept in self._kept.values() for number in kept]
        if cited and claim.is_slight:
            return True
        if any(self._judge(at, number).is_supported for number in cited):
            return True
        in_context = self._sources.in_context(claim)
        others = [number for number in self._sources.numbers() if number not in cited]
        wanted = Wanted.of(in_context.weights)
        held = {
            number: share_held(in_context.weights, self._sources.passage(number).tokens.held(wanted))
            for number in others
        }
        found = [(self._judge(at, number, in_context), number) for number in others if held[number] >= MIN_DOUBT]
        found.sort(key=lambda one: -one[0].covered)
        for verdict, number in found:
            if verdict.is_supported and verdict.covered >= MIN_COVERED:
                place = at if self._sentence.parts[at][1] else len(self._sentence.parts) - 1
                self._keep(place, at, number)
                return True
        return False

    def _judge(self, at: int, number: int, claim: Claim | None = None) -> Verdict:
        verdict = judge(claim or self._claims[at], self._sources.passage(number))
        if verdict.is_sure:
            return verdict
        asked = (self._text(at), number)
        if claim is None or verdict.covered >= MIN_DOUBT:
            self.doubted[asked] = None
        said = self._answers.get(asked)
        return verdict if said is None else replace(verdict, reason=None if said else "verdict", is_sure=True)

    def _said_at(self, at: int) -> int | None:
        """Return the part that the markers behind a part stand for: the last that says something, else the next."""
        before = [said for said in self._claims if said <= at]
        return before[-1] if before else next(iter(self._claims), None)

    def _text(self, at: int) -> str:
        return self._sentence.parts[at][0].strip()

    def _keep(self, at: int, said: int, number: int) -> None:
        self._supported.add(said)
        if number not in self._kept[at]:
            self._kept[at].append(number)
        self._citations.append(self._sources.citation(number, self._claims[said]))

    def _drop(self, numbers: Sequence[int], text: str, reason: DropReason) -> None:
        self._dropped.extend(DroppedCitation(number, text, reason) for number in numbers)

    def _result(self, *, is_supported: bool) -> Checked:
        sentence = self._sentence
        if not is_supported:
            return Checked(sentence, sentence.text.rstrip(), (), tuple(self._dropped), is_supported=False)
        text = "".join(self._part(at) for at in self._kept)
        return Checked(sentence, text, tuple(self._citations), tuple(self._dropped))

    def _part(self, at: int) -> str:
        """Return a part with its markers; those of a row stay in its last cell, those of code come after it."""
        written, numbers = self._sentence.parts[at]
        markers = "".join(f"[{number}]" for number in self._kept[at])
        if not markers:
            return written.rstrip(" ") if numbers else written
        if self._sentence.kind == "row" and written.rstrip().endswith("|"):
            cells = written.rstrip()[:-1].rstrip()
            return f"{cells} {markers} |"
        if self._sentence.kind == "code" and not written.endswith("\n"):
            return f"{written}\n{markers}"
        return written + markers
