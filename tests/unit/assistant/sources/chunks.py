"""Retrieved chunks cut from one text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retrieval.models import Chunk, ScoredChunk

TEXT = "总则适用全体员工。\n年休假为5天，𠮷田除外。\n病假须附证明。\n附则自发布起施行。"


def cut(
    text: str,
    *,
    spans: Sequence[tuple[int, int]] | None = None,
    name: str = "手册.txt",
    scores: Sequence[float] = (),
    **fields: Any,
) -> list[ScoredChunk]:
    """Return the chunks of a text, one for each line where no spans are given; scores are 1.0 where none are."""
    if spans is None:
        starts = [0, *(at + 1 for at, char in enumerate(text) if char == "\n")]
        spans = [(start, start + len(text[start:].partition("\n")[0])) for start in starts]
    given = {"title": "员工手册", **fields}
    return [
        ScoredChunk(
            Chunk(
                chunk_id=f"{name}#{ordinal}",
                document_id=f"file_{name}",
                version_id=f"ver_{name}",
                ordinal=ordinal,
                source=name,
                text=text[start:end],
                start=start,
                end=end,
                **given,
            ),
            score=scores[ordinal] if ordinal < len(scores) else 1.0,
            keyword=20.0,
            coverage=0.9,
        )
        for ordinal, (start, end) in enumerate(spans)
    ]
