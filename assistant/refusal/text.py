"""What is said instead of an answer: fixed words, what was searched, and the nearest titles (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.checking.links import defuse
from retrieval.errors import Language
from retrieval.models import Collection, Retrieval

_NEAREST = 3
_MAX_TITLE_CHARS = 40


def refusal_text(retrieval: Retrieval, collection: Collection | None, language: Language) -> str:
    """Return what is said instead of an answer: what was searched, and which documents come nearest.

    Titles are other people's text: they are shortened, stay on one line and link nowhere.
    """
    n_chunks = retrieval.evidence.n_chunks
    n_documents = collection.n_documents if collection is not None else None
    titles = list(dict.fromkeys(_shown(hit.chunk.title) for hit in retrieval.hits))[:_NEAREST]
    say = _in_chinese if language == "zh" else _in_english
    return defuse(say(_shown(retrieval.collection), n_documents, n_chunks, titles))


def _shown(title: str) -> str:
    """Return a title on one line, shortened, without the marks that stand around it here."""
    line = " ".join(title.translate(_NO_MARKS).split())
    return line if len(line) <= _MAX_TITLE_CHARS else f"{line[: _MAX_TITLE_CHARS - 1]}…"


_NO_MARKS = str.maketrans({"《": "〈", "》": "〉", "“": "‘", "”": "’", '"': "'"})


def _in_chinese(name: str, n_documents: int | None, n_chunks: int, titles: Sequence[str]) -> str:
    if n_chunks == 0:
        return f"集合“{name}”里还没有内容，无法回答。请先导入文档。"
    size = f"{n_documents} 份文档、{n_chunks} 个片段" if n_documents is not None else f"{n_chunks} 个片段"
    nearest = f"最接近的文档是{'、'.join(f'《{title}》' for title in titles)}。" if titles else ""
    return f"查找了集合“{name}”（{size}），没有找到这个问题的答案。{nearest}可以换个说法再问，或先导入相关文档。"


def _in_english(name: str, n_documents: int | None, n_chunks: int, titles: Sequence[str]) -> str:
    if n_chunks == 0:
        return f'The collection "{name}" is empty, so there is nothing to answer from. Ingest documents first.'
    size = f"{n_documents} documents, {n_chunks} passages" if n_documents is not None else f"{n_chunks} passages"
    quoted = ", ".join(f'"{title}"' for title in titles)
    nearest = f" The nearest documents are {quoted}." if titles else ""
    return (
        f'The collection "{name}" ({size}) was searched and does not hold the answer.{nearest}'
        " Ask in other words, or ingest the documents that hold it."
    )
