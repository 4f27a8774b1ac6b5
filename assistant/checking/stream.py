"""A model's text, in pieces -> settled text with checked citations (pure).

A sentence is settled when it and its markers are complete. In strict mode one of fact that no source supports is
dropped, and what only frames facts (a lead-in, a heading) waits until one of them has been shown; in helpful mode the
sentence stays, labelled. How the text was cut into pieces changes nothing. Control tokens that the model quotes in
their neutralised form are shown as they stand in the source.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from assistant.checking.check import NO_ANSWERS, Answers, Checked, SentenceCheck
from assistant.checking.code_spans import fence_end
from assistant.checking.kinds import is_lead_in, says_nothing_found
from assistant.checking.links import addresses, defuse
from assistant.checking.sentences import Sentence, SentenceCutter, read_sentence
from assistant.checking.support import has_han
from assistant.control_tokens import RestoringStream
from assistant.events import Citation, DroppedCitation

Mode = Literal["strict", "helpful"]
UNSUPPORTED_LABEL = {"zh": "（未获资料支持）", "en": " (not supported by the documents)"}


class CheckedStream:
    """Checks a text that arrives in pieces.

    Args:
        check: Knows the sources.
        mode: What becomes of a sentence that no source supports.
    """

    def __init__(self, check: SentenceCheck, mode: Mode = "strict") -> None:
        self._check = check
        self._mode = mode
        self._restored = RestoringStream()
        self._cutter = SentenceCutter()
        self._waiting: list[str] = []
        self._held: list[_Held] = []
        self._carried = ""
        self._text = ""
        self._citations: list[Citation] = []
        self._dropped: list[DroppedCitation] = []
        self._unsupported: list[tuple[int, int]] = []
        self._n_facts = 0
        self._says_nothing_found = False
        self._is_in_table = False
        self._has_gap = False

    @property
    def text(self) -> str:
        """All settled text."""
        return self._text

    @property
    def unsettled(self) -> str:
        """What has come behind the settled text, as the model wrote it."""
        return "".join([*(held.written for held in self._held), *self._waiting, self._cutter.pending])

    @property
    def has_facts(self) -> bool:
        """Whether a sentence of fact is in the text."""
        return self._n_facts > 0

    @property
    def is_refusal(self) -> bool:
        """Whether the model says that the sources do not hold the answer, and nothing else."""
        return self._says_nothing_found and not self.has_facts

    @property
    def dropped(self) -> tuple[DroppedCitation, ...]:
        """What the check took out, in the model's order; one of index 0 stands for a sentence without markers."""
        return tuple(self._dropped)

    @property
    def unsupported(self) -> tuple[tuple[int, int], ...]:
        """(start, end) in the text of each sentence that no source supports, without its label."""
        return tuple(self._unsupported)

    @property
    def citations(self) -> tuple[Citation, ...]:
        """What the markers of the text stand for, by number, then by place in the document; each quote once."""
        unique = {(one.index, one.source.chunk.version_id, one.start, one.end): one for one in self._citations}
        return tuple(unique[key] for key in sorted(unique))

    def feed(self, piece: str) -> list[str]:
        """Take more of the model's text, and return the sentences that are complete; `settle` wants each in turn."""
        return self._wait(self._cutter.feed(self._restored.feed(piece)))

    def finish(self) -> list[str]:
        """Return the sentences that are left; call once, at the end."""
        return self._wait([*self._cutter.feed(self._restored.finish()), *self._cutter.finish()])

    def doubts(self, written: str) -> tuple[tuple[str, int], ...]:
        """Return what a model might know better about a sentence: (text, source) pairs that the rules are unsure of."""
        return self._check.doubts(self._read(written))

    def settle(self, written: str, answers: Answers = NO_ANSWERS) -> str:
        """Return what of the next complete sentence is shown, with what waited for it; maybe nothing."""
        self._waiting.remove(written)
        checked = self._check.check(self._read(written), answers)
        self._is_in_table = checked.sentence.text.lstrip().startswith("|")
        self._dropped.extend(checked.dropped)
        before = self._text
        if not checked.is_supported and self._mode == "strict":
            self._drop(checked)
        elif not checked.is_fact:
            self._says_nothing_found |= says_nothing_found(checked.sentence.text)
            self._frame(_Held(checked, self._taken_prefix(checked), written))
        else:
            prefix = self._taken_prefix(checked)
            self._release()
            self._show(checked, prefix)
            self._n_facts += 1
        return self._text[len(before) :]

    def end(self) -> str:
        """Return what still waited and is worth showing; call once, after the last sentence."""
        before = self._text
        while self._held and _announces(self._held[-1].checked):
            self._held.pop()
        if self.has_facts:
            self._release()
        self._held = []
        self._text += fence_end(self._text)
        return self._text[len(before) :]

    def _read(self, written: str) -> Sentence:
        """Return a sentence; the first row of a table says what stands below it, not what is so."""
        sentence = read_sentence(written)
        return replace(sentence, kind="frame") if sentence.kind == "row" and not self._is_in_table else sentence

    def _wait(self, sentences: list[str]) -> list[str]:
        self._waiting.extend(sentences)
        return sentences

    def _drop(self, checked: Checked) -> None:
        if not checked.dropped:
            self._dropped.append(DroppedCitation(0, checked.text.strip(), "words"))
        # What follows on the same line takes over its place in a list.
        self._carried = self._taken_prefix(checked)
        self._has_gap = True

    def _frame(self, held: _Held) -> None:
        if self._mode == "helpful":
            self._show(held.checked, held.prefix)
            return
        if self._has_gap and self._held and _announces(self._held[-1].checked) and _announces(held.checked):
            # Everything that the last one announced was dropped.
            self._held.pop()
        self._has_gap = False
        self._held.append(held)

    def _release(self) -> None:
        """Show what waited; of a table, its head, only if one of its rows is what is shown next."""
        for held in self._held:
            if self._is_in_table or not _is_of_table(held.checked):
                self._show(held.checked, held.prefix)
        self._held = []

    def _show(self, checked: Checked, prefix: str) -> None:
        self._has_gap = False
        if not self._text:
            prefix = prefix.lstrip()
        shown = defuse(prefix + checked.text, addresses(*checked.citations), before=self._text)
        start = len(self._text) + len(shown) - len(shown.lstrip())
        self._text += shown
        self._citations.extend(checked.citations)
        if not checked.is_supported:
            self._unsupported.append((start, len(self._text)))
            self._text += UNSUPPORTED_LABEL["zh" if has_han(checked.text) else "en"]

    def _taken_prefix(self, checked: Checked) -> str:
        """Return what stands before a sentence: its own, or that of one that was dropped before it on its line."""
        own, carried = checked.sentence.prefix, self._carried
        self._carried = ""
        return own if "\n" in own or not carried else carried


@dataclass(frozen=True, slots=True)
class _Held:
    """A frame that waits for a fact: checked, with what stands before it, and as the model wrote it."""

    checked: Checked
    prefix: str
    written: str


def _announces(checked: Checked) -> bool:
    """Whether it is of no use without what follows: a lead-in, a heading, the head of a table, a blank line."""
    is_blank = not checked.text.strip()
    return is_blank or is_lead_in(checked.text) or "#" in checked.sentence.prefix or _is_of_table(checked)


def _is_of_table(checked: Checked) -> bool:
    return checked.text.lstrip().startswith("|")
