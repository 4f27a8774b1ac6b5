"""What speaks for and against an answer in the documents, as numbers (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.refusal.names import Name, is_held, names_in, subject_of
from assistant.refusal.words import Word, words_of
from retrieval.keyword.folding import fold_chunk
from retrieval.keyword.tokens import is_pair, query_weights
from retrieval.models import Retrieval, ScoredChunk

EVERYDAY = frozenset(
    "的一年是在国中为有人大了和不以于上后会时个日成月出地用行发到可来生这分作多下之长学部要主经高方其法与"
    "对家也新最能名开公自本而同前及动他区第体文现过业就度北小等市都所美全比西加间进政内如被面期得电数定由"
    "将并民位子机天东我理外入世三关因物工至南代斯次通赛海球们但种特当运场亚重者道合产此平员台建性制系相表"
    "里选军二点网力说车好然利水尔立明线使量影事任王实化元或统增称手心教式果号口计还两看布总目正起队品提设"
)
"""The 200 most frequent characters of the development sets' texts: half of all that is written."""

_LOOKED_AT = 5
_MIN_COMPARED = 3
_UNCOMPARED_LEAD = 0.5
_WEAK_KINDS = frozenset({"letters", "number"})
_WEAK_COUNT = 0.5


@dataclass(frozen=True, slots=True)
class Signals:
    """What retrieval and the question's own words say; of a retrieval that has hits.

    Args:
        coverage: Of the question by the first chunk's best sentence, in [0, 1].
        fit: log(1 + BM25 of the keyword list's first / log(2 + chunks)): against the size of the collection.
        similarity: Highest cosine; 0 without vectors.
        lead: How far the keyword list's first stands out from the others that were found, as the root of their
            distance in BM25 over the question's own mass, in [0, 1]: against the collection's own scores.
        everyday: Share of the question's everyday characters that the best of the first chunks lacks, in [0, 1].
        unknown: Number of the question's other characters and words that none of the first chunks holds.
        missing_name: 1 where none of the chunks holds a name of the question, 0.5 for letters or numbers alone, else 0.
        missing_subject: 1 where the words that the question starts from are nowhere side by side as in the question,
            and the first chunk lacks one of them; else 0.
        missing_noun: 1 where a noun among them is in none of the chunks; else 0.
    """

    coverage: float
    fit: float
    similarity: float
    lead: float
    everyday: float
    unknown: float
    missing_name: float
    missing_subject: float
    missing_noun: float


def signals_of(retrieval: Retrieval) -> Signals:
    """Return the signals of a retrieval that has hits."""
    evidence = retrieval.evidence
    texts = _texts(retrieval.hits)
    everywhere = "\n".join(texts)
    words = words_of(retrieval.question)
    subject = subject_of(words)
    everyday, unknown = missing(retrieval)
    return Signals(
        coverage=retrieval.hits[0].coverage,
        fit=math.log1p(evidence.keyword / math.log(2 + evidence.n_chunks)),
        similarity=evidence.similarity or 0.0,
        lead=lead(retrieval),
        everyday=everyday,
        unknown=float(unknown),
        missing_name=_missing_name(retrieval, words, everywhere),
        missing_subject=float(_is_apart(subject, everywhere) and any(word.text not in texts[0] for word in subject)),
        missing_noun=float(any(_is_noun(word) and word.text not in everywhere for word in subject)),
    )


def missing_names(retrieval: Retrieval) -> tuple[Name, ...]:
    """Return the names of the question that none of the chunks found holds."""
    everywhere = "\n".join(_texts(retrieval.hits))
    return tuple(name for name in names_in(retrieval.question) if not is_held(name, everywhere))


def lead(retrieval: Retrieval) -> float:
    """Return how far the best BM25 of the chunks found is from their mean, over the question's mass; see `Signals`."""
    scores = [hit.keyword for hit in retrieval.hits if hit.keyword]
    if len(scores) < _MIN_COMPARED or not retrieval.evidence.keyword_mass:
        return _UNCOMPARED_LEAD
    distance = (max(scores) - sum(scores) / len(scores)) / retrieval.evidence.keyword_mass
    return math.sqrt(min(1.0, distance))


def missing(retrieval: Retrieval) -> tuple[float, int]:
    """Return what of the question is not in the first chunks.

    Returns:
        The share of its everyday characters that the best of the chunks lacks, in [0, 1]; and the number of its other
        characters and words that none of them holds.
    """
    asked = [token for token in query_weights(retrieval.question) if not is_pair(token)]
    texts = _texts(retrieval.hits[:_LOOKED_AT])
    everyday = [token for token in asked if token in EVERYDAY]
    unknown = sum(token not in EVERYDAY and not any(token in text for text in texts) for token in asked)
    lacking = min((sum(token not in text for token in everyday) for text in texts), default=0)
    return lacking / max(1, len(everyday)), unknown


def _texts(hits: Sequence[ScoredChunk]) -> list[str]:
    return [f"{fold_chunk(hit.chunk.context_line)}\n{fold_chunk(hit.chunk.text)}" for hit in hits]


def _missing_name(retrieval: Retrieval, words: Sequence[Word], everywhere: str) -> float:
    absent = [name for name in names_in(retrieval.question, words) if not is_held(name, everywhere)]
    if any(name.kind not in _WEAK_KINDS for name in absent):
        return 1.0
    return _WEAK_COUNT if absent else 0.0


def _is_apart(subject: Sequence[Word], text: str) -> bool:
    """Whether two words that stand side by side in the question do so nowhere in the text."""
    return any(one.text[-1] + other.text[0] not in text for one, other in zip(subject, subject[1:], strict=False))


def _is_noun(word: Word) -> bool:
    return len(word.text) > 1 and word.tag[0] in "nj"
