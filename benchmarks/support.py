"""Do the rules know which sentence a passage supports?

python -m benchmarks.support [--pairs 400] [--show KIND]

Sentences are made from the evaluation's sets (HUOZI_EVAL_DIR): true ones (copied, reordered, in the other script,
question and answer put together, written answers) beside the passage that holds them, and the same with a number, a
date, a name or a negation changed, or beside a passage of another document. A row is a kind, a column a set, a figure
the share of the sentences that the rules accept; precision and recall are over as many true as false ones.
"""

from __future__ import annotations

import argparse
import os
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from assistant.checking.support import Claim, Passage, judge
from assistant.evaluation.corpus import CorpusDocument, Question, load_corpus, load_questions
from assistant.evaluation.metrics import holds
from benchmarks.measure import machine, report, say
from ingest.split import split
from retrieval.keyword.folding import fold, script_map
from retrieval.models import Chunk, Document
from retrieval.rerankers.coverage import sentence_spans

EVAL = Path(os.environ.get("HUOZI_EVAL_DIR", "../shared/eval"))
SETS = ("cmrc", "drcd", "rgb", "dureader", "dragonball", "regulations")
TRUE = ("copied", "reordered", "other script", "question and answer", "written answer")
_ASKED = re.compile(
    r"什么时候|什么时间|什么地方|什麼時候|什麼時間|什麼地方|什么|什麼|哪一?[年天日个個位種种名家]|哪[里裡儿]|哪些|何時|何时|何地|谁|誰|多少|几|幾|何"
)
_FLIPS = (
    ("可以", "不可以"), ("不得", "可以"), ("必须", "无需"), ("應當", "無需"), ("应当", "无需"), ("没有", "有"),
    ("沒有", "有"),
    ("不是", "是"), ("不能", "能"), ("不会", "会"), ("未", "已"), ("允许", "禁止"), ("禁止", "允许"), ("能够", "不能"),
    ("不", ""), ("是", "不是"), ("有", "没有"), ("為", "不為"), ("为", "不为"), ("在", "不在"),
)  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A sentence beside a passage, and what was done to it."""

    kind: str
    sentence: str
    passage: Sequence[Chunk]

    @property
    def is_true(self) -> bool:
        """Whether the passage supports the sentence."""
        return self.kind in TRUE


def chunks_of(document: CorpusDocument) -> list[Chunk]:
    """Cut a document as ingest does."""
    loaded = Document(title=document.title or document.doc_id, text=document.text)
    made = split(loaded)
    return [
        Chunk(
            f"{document.doc_id}#{i}", document.doc_id, "v", i, document.title, document.doc_id,
            document.text[one.start : one.end], one.start, one.end, None, one.heading,
        )
        for i, one in enumerate(made)
    ]  # fmt: skip


def stated(question: str, answer: str) -> str:
    """Return question and answer as one sentence."""
    body = question.rstrip("？?。 吗嗎呢")
    answer = answer.strip("。")
    said, n = _ASKED.subn(lambda _: answer, body, count=1)
    return (said if n else f"{body}：{answer}") + "。"


def pairs_of(folder: Path, n: int, rng: random.Random) -> list[Pair]:
    """Return the pairs of a set, at most `n` of each kind."""
    documents = {one.doc_id: one for one in load_corpus(folder / "corpus.jsonl")}
    questions = [one for one in load_questions(folder) if one.is_answerable and (one.answers or one.answer_groups)]
    rng.shuffle(questions)
    cut = {doc_id: chunks_of(one) for doc_id, one in documents.items()}
    found: dict[str, list[Pair]] = defaultdict(list)
    for pair in _all_pairs(questions, cut, rng):
        if len(found[pair.kind]) < n:
            found[pair.kind].append(pair)
    return [pair for kind in found.values() for pair in kind]


def _all_pairs(questions: Sequence[Question], cut: dict[str, list[Chunk]], rng: random.Random) -> Iterator[Pair]:
    answers = [one.answers[0] for one in questions if one.answers]
    everything = [chunk for chunks in cut.values() for chunk in chunks]
    by_document: dict[str, list[str]] = defaultdict(list)
    for question in questions:
        by_document[question.gold_doc_ids[0]].extend(question.answers[:1])
    for question in questions:
        chunk = _gold_chunk(question, cut)
        if chunk is None:
            continue
        if sentence := _some_sentence(chunk, rng):
            yield from _copies(sentence, chunk, rng)
            yield Pair("other document", sentence, [rng.choice(everything)])
        answer = next((one for one in question.answers if holds(chunk.text, [one])), None)
        if question.is_free_form:
            if question.answers and len(question.answers[0]) > 8 and question.evidence:
                held = _evidence_chunks(question, cut)
                for start, end in sentence_spans(question.answers[0]):
                    yield Pair("written answer", question.answers[0][start:end], held)
        elif answer:
            yield Pair("question and answer", stated(question.question, answer), [chunk])
            yield from _wrong_answers(question, answer, chunk, answers, by_document, rng)


def _gold_chunk(question: Question, cut: dict[str, list[Chunk]]) -> Chunk | None:
    wanted = question.evidence or question.answers
    held = [chunk for doc_id in question.gold_doc_ids for chunk in cut.get(doc_id, []) if holds(chunk.text, wanted)]
    asked = set(fold(question.question))
    return max(held, key=lambda chunk: len(asked & set(fold(chunk.text))), default=None)


def _evidence_chunks(question: Question, cut: dict[str, list[Chunk]]) -> list[Chunk]:
    chunks = [chunk for doc_id in question.gold_doc_ids for chunk in cut.get(doc_id, [])]
    return [chunk for chunk in chunks if holds(chunk.text, question.evidence)]


def _some_sentence(chunk: Chunk, rng: random.Random) -> str | None:
    held = [chunk.text[start:end] for start, end in sentence_spans(chunk.text) if 10 <= end - start <= 150]
    return rng.choice(held) if held else None


def _copies(sentence: str, chunk: Chunk, rng: random.Random) -> Iterator[Pair]:
    yield Pair("copied", sentence, [chunk])
    clauses = re.split(r"[，,；;]", sentence.rstrip("。！？!?；;"))
    if len(clauses) > 1:
        rng.shuffle(clauses)
        yield Pair("reordered", "根据资料，" + "，".join(clauses[: max(1, len(clauses) - 1)]) + "。", [chunk])
    other = sentence.translate(script_map())
    if other == sentence:
        back = {ord(simple): chr(code) for code, simple in script_map().items() if code < 0xA000}
        other = sentence.translate(back)
    yield Pair("other script", other, [chunk])
    yield from _corrupted(sentence, chunk, rng)


def _corrupted(sentence: str, chunk: Chunk, rng: random.Random) -> Iterator[Pair]:
    numbers = [
        match for match in re.finditer(r"\d+(?:\.\d+)?", sentence) if not sentence[match.end() :].startswith("、")
    ]
    if numbers:
        match = rng.choice(numbers)
        value = match[0]
        changed = str(int(float(value)) + rng.choice([1, 2, 3, 7, 10])) if rng.random() < 0.8 else value + "0"
        is_date = sentence[match.end() :].lstrip()[:1] in ("年", "月", "日")
        other = sentence[: match.start()] + changed + sentence[match.end() :]
        if fold(other) not in fold(chunk.text):
            yield Pair("date changed" if is_date else "number changed", other, [chunk])
    for one, other in _FLIPS:
        at = sentence.find(one)
        if at >= 0:
            yield Pair("negation flipped", sentence[:at] + other + sentence[at + len(one) :], [chunk])
            break


def _wrong_answers(
    question: Question, answer: str, chunk: Chunk, answers: Sequence[str], by_document: dict[str, list[str]],
    rng: random.Random,
) -> Iterator[Pair]:  # fmt: skip
    def like(other: str) -> bool:
        return (
            abs(len(other) - len(answer)) <= 3
            and bool(re.search(r"\d", other)) == bool(re.search(r"\d", answer))
            and not holds(other, question.answers)
            and not any(holds(one, [other]) for one in question.answers)
        )

    kind = "number" if re.search(r"\d", answer) else "name"
    elsewhere = [
        one for one in rng.sample(answers, min(200, len(answers))) if like(one) and not holds(chunk.text, [one])
    ]
    if elsewhere:
        yield Pair(f"{kind} of another document", stated(question.question, elsewhere[0]), [chunk])
    near = [one for one in by_document[question.gold_doc_ids[0]] if like(one) and holds(chunk.text, [one])]
    if near:
        yield Pair(f"{kind} from elsewhere in the passage", stated(question.question, near[0]), [chunk])


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.support", description=__doc__)
    parser.add_argument("--pairs", type=int, default=400, help="at most, of each kind and set")
    parser.add_argument("--show", help="print the sentences of this kind that are judged wrongly")
    options = parser.parse_args(argv)
    accepted: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    if not EVAL.exists():
        say(f"no evaluation data in {str(EVAL)!r}: set HUOZI_EVAL_DIR")
    for name in SETS if EVAL.exists() else ():
        for pair in pairs_of(EVAL / name, options.pairs, random.Random(1)):
            verdict = judge(Claim.of(pair.sentence), Passage.of(pair.passage))
            accepted[pair.kind][name].append(verdict.is_supported)
            if options.show == pair.kind and verdict.is_supported != pair.is_true:
                say(f"{name} {verdict}\n  {pair.sentence}\n  {pair.passage[0].text[:400]}".replace("\n", "\n  "))
    print_figures(accepted)


def print_figures(accepted: dict[str, dict[str, list[bool]]]) -> None:
    """Print accepted shares by kind and set, then precision and recall of each set, true and false kinds balanced."""
    kinds = [*TRUE, *(kind for kind in sorted(accepted) if kind not in TRUE)]
    rows: list[list[object]] = []
    for kind in kinds:
        found = accepted.get(kind, {})
        everything = [one for flags in found.values() for one in flags]
        rows.append([kind, len(everything), *(_share(found.get(name, [])) for name in SETS), _share(everything)])
    for figure in ("precision", "recall"):
        found = [_balanced(accepted, figure, [name]) for name in SETS]
        rows.append([figure, "", *found, _balanced(accepted, figure, SETS)])
    header = ["sentences", "n", *SETS, "all"]
    figures = [dict(zip(header, row, strict=True)) for row in rows]
    report("support", {**machine(), "rows": figures}, header, rows)


def _share(flags: Sequence[bool]) -> float | str:
    return round(sum(flags) / len(flags), 3) if flags else "-"


def _balanced(accepted: dict[str, dict[str, list[bool]]], figure: str, names: Sequence[str]) -> float | str:
    """Return precision or recall where true and false sentences are equally many."""
    flags: dict[bool, list[bool]] = {True: [], False: []}
    for kind, found in accepted.items():
        flags[kind in TRUE].extend(one for name in names for one in found.get(name, []))
    if not flags[True] or not flags[False]:
        return "-"
    right, wrong = (sum(flags[one]) / len(flags[one]) for one in (True, False))
    return round(right / (right + wrong), 3) if figure == "precision" else round(right, 3)


if __name__ == "__main__":
    main()
