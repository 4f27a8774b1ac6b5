"""The figures of a run (pure). docs/evaluation.md says what each one means."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from assistant.evaluation.corpus import Question

CUTS = (1, 5, 10)
DEPTH = 10
Metrics = dict[str, float]

_HAN = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"[{_HAN}]|[^\W{_HAN}_]+")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_PUNCTUATION = re.compile(r"(?<!\d)\.|\.(?!\d)|_|[^\w.%‰°]")
_BETWEEN_NUMBERS = re.compile(r"(?<=\d)\s+(?=\d)")


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved or cited passage; `pages` are all it touches, from 1."""

    doc_id: str
    text: str = ""
    pages: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """What the service did with one question.

    Args:
        query_id: Of the question.
        retrieved: Passages, best first.
        answer: Without citation markers.
        is_refused: The service said that it cannot answer.
        citations: Cited passages.
        dropped: Why each citation was dropped that a model wrote and the check took out.
    """

    query_id: str
    retrieved: tuple[Passage, ...] = ()
    answer: str = ""
    is_refused: bool = False
    citations: tuple[Passage, ...] = ()
    dropped: tuple[str, ...] = ()


def score(questions: Sequence[Question], rows: Iterable[Row]) -> Metrics:
    """Return the figures over all questions; one without a row counts as nothing retrieved, answered or refused."""
    by_id = {row.query_id: row for row in rows}
    pairs = [(question, by_id.get(question.query_id, Row(question.query_id))) for question in questions]
    answerable = [pair for pair in pairs if pair[0].is_answerable]
    values: dict[str, list[float]] = defaultdict(list)
    for question, row in answerable:
        for name, value in (*_document_scores(question, row), *_passage_scores(question, row)):
            values[name].append(value)
        for name, value in _answer_scores(question, row):
            values[name].append(value)
    means = {name: sum(found) / len(found) for name, found in values.items()}
    counts = {"questions": len(pairs), "without answer": len(pairs) - len(answerable)}
    return {**counts, **means, **_refusal_scores(pairs), **_citation_scores(answerable)}


def score_by_type(questions: Sequence[Question], rows: Iterable[Row]) -> dict[str, Metrics]:
    """Return the figures for each type of question, in the order of their first questions."""
    listed = list(rows)
    groups: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        groups[question.type].append(question)
    return {kind: score(group, listed) for kind, group in groups.items()}


def normalise(text: str) -> str:
    """Return what two answers are compared by: NFKC, lower case, no space or punctuation, "|" between two numbers."""
    folded = _THOUSANDS.sub("", unicodedata.normalize("NFKC", text).lower())
    spaced = _PUNCTUATION.sub(" ", folded)
    return "".join(_BETWEEN_NUMBERS.sub("|", spaced).split())


def answer_tokens(text: str) -> list[str]:
    """Return one token for each Chinese character and each run of other letters and digits."""
    return _TOKEN.findall(unicodedata.normalize("NFKC", text).lower())


def holds(text: str, wanted: Iterable[str]) -> bool:
    """Whether the text holds one of the strings; a number must match as a whole: 5天 is not in 15天."""
    normal = normalise(text)
    return any(_holds_one(normal, one) for one in map(normalise, wanted) if one)


def run_f1(answer: str, gold: str) -> float:
    """F1 of the longest common run of tokens."""
    return _f1(_longest_common_run, answer, gold)


def overlap_f1(answer: str, gold: str) -> float:
    """F1 of the bags of tokens."""
    return _f1(lambda one, other: (Counter(one) & Counter(other)).total(), answer, gold)


def _holds_one(normal: str, one: str) -> bool:
    at = normal.find(one)
    while at >= 0:
        if _is_whole(normal, at, at + len(one)):
            return True
        at = normal.find(one, at + 1)
    return False


def _is_whole(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] cuts no number in two."""
    if text[start].isdigit() and start and (text[start - 1].isdigit() or text[start - 1] == "."):
        return False
    rest = text[end : end + 2]
    return not (text[end - 1].isdigit() and (rest[:1].isdigit() or (rest[:1] == "." and rest[1:].isdigit())))


def _f1(common: Callable[[list[str], list[str]], int], answer: str, gold: str) -> float:
    ours, theirs = answer_tokens(answer), answer_tokens(gold)
    shared = common(ours, theirs)
    return 2 * shared / (len(ours) + len(theirs)) if shared else 0.0


def _longest_common_run(one: list[str], other: list[str]) -> int:
    ending_at = [0] * len(other)
    best = 0
    for token in one:
        # From the right, so that the previous row is still there to be read.
        for j in range(len(other) - 1, -1, -1):
            ending_at[j] = 0 if other[j] != token else 1 + (ending_at[j - 1] if j else 0)
        best = max(best, *ending_at) if other else 0
    return best


def _ranked(prefix: str, flags: Sequence[bool]) -> list[tuple[str, float]]:
    """Return hit@k and MRR@10 of a ranking in which True is a right one."""
    first = next((rank for rank, flag in enumerate(flags, 1) if flag), math.inf)
    hits = [(f"{prefix}hit@{cut}", float(first <= cut)) for cut in CUTS]
    return [*hits, (f"{prefix}MRR@{DEPTH}", 1 / first if first <= DEPTH else 0.0)]


def _document_scores(question: Question, row: Row) -> list[tuple[str, float]]:
    gold = set(question.gold_doc_ids)
    documents = list(dict.fromkeys(passage.doc_id for passage in row.retrieved))
    recalls = [(f"recall@{cut}", len(gold.intersection(documents[:cut])) / min(cut, len(gold) or 1)) for cut in CUTS]
    gain = sum(1 / math.log2(rank + 1) for rank, doc in enumerate(documents[:DEPTH], 1) if doc in gold)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(DEPTH, len(gold)) + 1))
    flags = [document in gold for document in documents]
    return [*recalls, *_ranked("", flags), (f"nDCG@{DEPTH}", gain / ideal if ideal else 0.0)]


def _passage_scores(question: Question, row: Row) -> list[tuple[str, float]]:
    scores = _ranked("passage ", [_is_right(passage, question) for passage in row.retrieved])
    if question.gold_pages:
        scores += _ranked("page ", [_is_on_gold_page(passage, question) for passage in row.retrieved])
    return scores


def _answer_scores(question: Question, row: Row) -> list[tuple[str, float]]:
    answer = "" if row.is_refused else row.answer
    groups = question.answer_groups
    golds = ["，".join(group[0] for group in groups)] if groups else question.answers
    has_all = all(holds(answer, group) for group in groups or [question.answers])
    return [
        ("EM", float(bool(answer) and normalise(answer) in map(normalise, golds))),
        ("F1", max((run_f1(answer, gold) for gold in golds), default=0.0)),
        ("overlap_F1", max((overlap_f1(answer, gold) for gold in golds), default=0.0)),
        ("contains_gold", float(bool(answer) and has_all)),
        ("answered", float(bool(answer))),
    ]


def _is_right(passage: Passage, question: Question) -> bool:
    """Whether a passage is of a gold document and holds a gold answer or evidence."""
    if passage.doc_id not in question.gold_doc_ids:
        return False
    answers = [answer for group in question.answer_groups for answer in group] or list(question.answers)
    # A written answer seldom stands in the text word for word; where there is evidence, that decides.
    wanted = [] if question.is_free_form and question.evidence else answers
    return holds(passage.text, [*wanted, *question.evidence])


def is_right_citation(passage: Passage, question: Question) -> bool:
    """Whether a cited passage holds a gold answer or evidence; one without text, whether it is on a gold page."""
    if question.gold_pages and not passage.text:
        return _is_on_gold_page(passage, question)
    return _is_right(passage, question)


def _is_on_gold_page(passage: Passage, question: Question) -> bool:
    return passage.doc_id in question.gold_doc_ids and not set(passage.pages).isdisjoint(question.gold_pages)


def _refusal_scores(pairs: Sequence[tuple[Question, Row]]) -> Metrics:
    unanswerable = sum(not question.is_answerable for question, _ in pairs)
    refused = sum(row.is_refused for _, row in pairs)
    if not unanswerable:
        return {}
    if not refused:
        return {"refusal recall": 0.0}
    right = sum(row.is_refused and not question.is_answerable for question, row in pairs)
    precision, recall = right / refused, right / unanswerable
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    return {"refusal precision": precision, "refusal recall": recall, "refusal F1": f1}


def _citation_scores(answerable: Sequence[tuple[Question, Row]]) -> Metrics:
    answered = [
        [is_right_citation(one, question) for one in row.citations]
        for question, row in answerable
        if row.answer and not row.is_refused
    ]
    if not answered:
        return {}
    n_citations = sum(map(len, answered))
    return {
        "citation precision": sum(map(sum, answered)) / max(1, n_citations),
        "citation coverage": sum(map(any, answered)) / len(answered),
    }


def rows_from_json(lines: Iterable[Mapping[str, object]]) -> list[Row]:
    """Read a run file's lines back."""
    return [_row(line) for line in lines]


def _row(line: Mapping[str, object]) -> Row:
    retrieved, citations = line.get("retrieved"), line.get("citations")
    return Row(
        query_id=str(line["query_id"]),
        retrieved=tuple(map(_passage, retrieved if isinstance(retrieved, list) else ())),
        answer=str(line.get("answer") or ""),
        is_refused=bool(line.get("refused")),
        citations=tuple(map(_passage, citations if isinstance(citations, list) else ())),
    )


def _passage(line: Mapping[str, object]) -> Passage:
    pages = line.get("pages")
    return Passage(
        str(line["doc_id"]), str(line.get("text") or ""), tuple(map(int, pages if isinstance(pages, list) else ()))
    )
