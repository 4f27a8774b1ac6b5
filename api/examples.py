"""Questions to try, for the collection that holds the sample documents."""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import cache
from pathlib import Path, PurePosixPath

QUESTIONS = Path(__file__).parent.parent / "samples" / "questions.jsonl"
"""Beside the sample documents in a clone; an installed package has neither."""

MOST = 3


@cache
def sample_questions(path: Path) -> tuple[tuple[str, str], ...]:
    """Return each answerable sample question with the file name of its document; none if there is no such file."""
    if not path.is_file():
        return ()
    lines = map(json.loads, path.read_text("utf-8").splitlines())
    return tuple((line["question"], line["gold_doc_ids"][0]) for line in lines if line["answerable"])


def examples(sources: Collection[str], path: Path = QUESTIONS) -> list[str]:
    """Return up to MOST sample questions, one a document, that these documents answer."""
    names = {PurePosixPath(source.replace("\\", "/")).name for source in sources}
    first: dict[str, str] = {}
    for question, name in sample_questions(path):
        if name in names:
            first.setdefault(name, question)
    return list(first.values())[:MOST]
