"""What an evaluation gives back: figures for people and programs, and the run file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assistant.evaluation.metrics import Metrics, Passage, Row


@dataclass(frozen=True, slots=True)
class EvalReport:
    """The outcome of an evaluation.

    Args:
        metrics: Figures over all questions.
        by_type: The same for each type of question.
        rows: What came back, one for each question that was answered or refused.
        failed: Questions that ended in an error: query_id and message.
        seconds: Asking, without ingesting.
        wrong_citations: How many citations there are, and how many are wrong by each cause.
        dropped_citations: How many of a model's citations the check took out, by reason.
    """

    metrics: Metrics
    by_type: dict[str, Metrics]
    rows: tuple[Row, ...]
    failed: tuple[tuple[str, str], ...]
    seconds: float
    wrong_citations: dict[str, int] = field(default_factory=dict)
    dropped_citations: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "metrics": self.metrics,
            "by_type": self.by_type,
            "wrong_citations": self.wrong_citations,
            "dropped_citations": self.dropped_citations,
            "failed": [{"query_id": query_id, "message": message} for query_id, message in self.failed],
            "seconds": round(self.seconds, 3),
        }

    def as_table(self) -> str:
        """Return the figures as lines of name and value."""
        width = max(map(len, self.metrics), default=0)
        return "\n".join(f"{name:<{width}}  {_shown(value)}" for name, value in self.metrics.items())

    def write_run(self, path: Path) -> None:
        """Write the run file: one JSON object a line, in the scorer's format."""
        lines = [json.dumps(run_line(row), ensure_ascii=False) for row in self.rows]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def run_line(row: Row) -> dict[str, Any]:
    """Return a row as the run file has it."""
    return {
        "query_id": row.query_id,
        "retrieved": [_passage_line(passage) for passage in row.retrieved],
        "answer": row.answer,
        "refused": row.is_refused,
        "citations": [_passage_line(passage) for passage in row.citations],
    }


def _passage_line(passage: Passage) -> dict[str, Any]:
    pages = {"pages": list(passage.pages)} if passage.pages else {}
    return {"doc_id": passage.doc_id, "text": passage.text, **pages}


def _shown(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4f}"
