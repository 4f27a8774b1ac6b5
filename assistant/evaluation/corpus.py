"""What an evaluation folder holds: documents, and questions with gold answers.

`corpus.jsonl` has `doc_id`, `title`, `text` a line; a folder without it is a folder of files, whose names are their
`doc_id`. `queries.jsonl`, or `questions.jsonl`, has `query_id`, `question`, `answers`, `gold_doc_ids`, `type`,
`answerable` and more a line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.errors import EvaluationError
from assistant.events import Turn
from retrieval.errors import Message

_QUESTIONS = ("queries.jsonl", "questions.jsonl")
_NOT_DOCUMENTS = {*_QUESTIONS, "manifest.jsonl", "corpus.jsonl", "LICENSE"}


@dataclass(frozen=True, slots=True)
class CorpusDocument:
    """A line of `corpus.jsonl`."""

    doc_id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """A line of the questions' file.

    Args:
        query_id: Its name in the run file.
        question: As asked.
        answers: Any of them is right; empty where there is no answer.
        answer_groups: Where several things are asked: one string of every group must be in the answer.
        gold_doc_ids: Documents that hold the answer.
        evidence: Sentences of the documents that support the answer.
        gold_pages: Pages that hold it, from 1.
        is_free_form: The gold answers are written sentences, not spans of the text.
        is_answerable: Whether the documents hold the answer.
        type: For figures by type.
        history: Earlier turns.
    """

    query_id: str
    question: str
    answers: tuple[str, ...] = ()
    answer_groups: tuple[tuple[str, ...], ...] = ()
    gold_doc_ids: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    gold_pages: tuple[int, ...] = ()
    is_free_form: bool = False
    is_answerable: bool = True
    type: str = "?"
    history: tuple[Turn, ...] = ()

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> Question:
        """Read one line.

        Raises:
            KeyError: If `query_id` or `question` is missing.
        """
        gold = tuple(line.get("gold_doc_ids") or ())
        return cls(
            query_id=line["query_id"],
            question=line["question"],
            answers=tuple(line.get("answers") or ()),
            answer_groups=tuple(tuple(group) for group in line.get("answer_groups") or ()),
            gold_doc_ids=gold,
            evidence=tuple(line.get("evidence") or ()),
            gold_pages=tuple(line.get("gold_pages") or ()),
            is_free_form=bool(line.get("free_form_answer")),
            is_answerable=bool(line.get("answerable", bool(gold))),
            type=line.get("type", "?"),
            history=tuple(Turn(turn["role"], turn["content"]) for turn in line.get("history") or ()),
        )


def load_questions(folder: Path) -> list[Question]:
    """Load a folder's questions.

    Raises:
        EvaluationError: If there are none, or a line cannot be read.
    """
    found = [folder / name for name in _QUESTIONS if (folder / name).is_file()]
    path = found[0] if found else folder / _QUESTIONS[0]
    questions = []
    for number, line in enumerate(_lines(path), 1):
        try:
            questions.append(Question.from_json(line))
        except (KeyError, TypeError, AttributeError) as error:
            raise _bad_line(path, number) from error
    if not questions:
        raise EvaluationError(
            Message(en=f"{str(path)!r} holds no questions.", zh=f"{str(path)!r} 里没有问题。"),
            hint=Message(en="Write one JSON object a line into it.", zh="请在其中每行写一个 JSON 对象。"),
        )
    return questions


def load_corpus(path: Path) -> list[CorpusDocument]:
    """Load a `corpus.jsonl`.

    Raises:
        EvaluationError: If it cannot be read.
    """
    documents = []
    for number, line in enumerate(_lines(path), 1):
        try:
            documents.append(CorpusDocument(line["doc_id"], line.get("title") or "", line["text"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise _bad_line(path, number) from error
    return documents


def find_corpus(folder: Path, corpus: Path | None = None) -> Path | Sequence[Path]:
    """Return the corpus file to use, or the folder's own files where it has none."""
    if corpus is not None:
        return corpus
    if (folder / "corpus.jsonl").is_file():
        return folder / "corpus.jsonl"
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path, folder))
    files = [path for path in files if path.name not in _NOT_DOCUMENTS]
    if not files:
        raise EvaluationError(
            Message(en=f"There are no documents in {str(folder)!r}.", zh=f"{str(folder)!r} 里没有文档。"),
            hint=Message(
                en="Put files or a corpus.jsonl into it, or name one with --corpus.",
                zh="请放入文件或 corpus.jsonl，或用 --corpus 指定。",
            ),
        )
    return files


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _lines(path: Path) -> list[Any]:
    lines = []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(
            Message(en=f"{str(path)!r} cannot be read: {error}.", zh=f"无法读取 {str(path)!r}：{error}。"),
            hint=Message(
                en="Name a folder with queries.jsonl or questions.jsonl, and corpus.jsonl or files beside it.",
                zh="请指定一个含 queries.jsonl 或 questions.jsonl 的文件夹，旁边放 corpus.jsonl 或文件。",
            ),
        ) from error
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                lines.append(json.loads(line))
            except ValueError as error:
                raise _bad_line(path, number) from error
    return lines


def _bad_line(path: Path, number: int) -> EvaluationError:
    return EvaluationError(
        Message(
            en=f"Line {number} of {str(path)!r} is not what an evaluation needs.",
            zh=f"{str(path)!r} 第 {number} 行不符合格式。",
        ),
        hint=Message(en="docs/evaluation.md has the keys.", zh="各字段见 docs/evaluation.md。"),
    )
