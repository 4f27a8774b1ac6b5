"""Wrong citations of a run by their cause, and what the check took out of a model's answers (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from assistant.evaluation.corpus import Question
from assistant.evaluation.metrics import Passage, Row, is_right_citation

CAUSES = ("wrong_passage", "wrong_document", "unanswerable")
"""The right document, but a passage without answer or evidence; another document; a question that has no answer."""


def wrong_citations(questions: Sequence[Question], rows: Iterable[Row]) -> dict[str, int]:
    """Return how many citations a run has, and how many are wrong by each cause."""
    asked = {question.query_id: question for question in questions}
    found: Counter[str] = Counter()
    for row in rows:
        question = asked.get(row.query_id)
        if question is None or row.is_refused:
            continue
        found.update(_cause(question, citation) for citation in row.citations)
    return {"citations": found.total(), "right": found["right"]} | {cause: found[cause] for cause in CAUSES}


def dropped_citations(rows: Iterable[Row]) -> dict[str, int]:
    """Return how many citations of a model's the check took out, by reason; empty for extractive answers."""
    return dict(sorted(Counter(reason for row in rows for reason in row.dropped).items()))


def _cause(question: Question, citation: Passage) -> str:
    if not question.is_answerable:
        return "unanswerable"
    if is_right_citation(citation, question):
        return "right"
    return "wrong_passage" if citation.doc_id in question.gold_doc_ids else "wrong_document"
