"""Do follow-ups find their subject, and can a bad rewriting hurt?

python -m benchmarks.conversations [--embedder none] [--conversations 70] [--data FOLDER] [--show KIND]

Document hit@1 of last turns: those of the evaluation's conversations (HUOZI_EVAL_DIR) and harder ones made of cmrc's
questions, which name their article's title: later turns have a pronoun instead of it, or nothing.
- deep: up to six turns about one article
- back: the same after another article was spoken of
- switch: a question that names its article, after another one; title: no more than its title
- more: 继续, 为什么？ and the like; the article is the one before
A column is who plans: nobody (`alone`), the rules (`rules`), and the rules with a scripted model that rewrites
perfectly, that names the subject of before, that gives any other question, that says too much, that gives nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from assistant.conversation.plan import Plan, Planner
from assistant.conversation.rewrite import Rewriter
from assistant.conversation.search import Search
from assistant.evaluation.corpus import CorpusDocument, Question, load_corpus, load_questions
from assistant.events import Turn
from assistant.finder import Finder
from assistant.generate import Generator, Sampling
from assistant.settings import LlmSettings
from benchmarks.measure import machine, report, say
from ingest import Ingestor, TextRecord
from retrieval.data_folder import DataFolder
from retrieval.settings import RetrievalSettings

EVAL = Path(os.environ.get("HUOZI_EVAL_DIR", "../shared/eval"))
REWRITERS = ("perfect", "stale", "any", "chatty", "empty")
MORE = ("继续", "为什么？", "详细说说", "还有吗？", "再说具体一点", "举个例子", "然后呢？", "Tell me more")
_POINTS = ("它", "该", "这个", "其")
_BRACKET = re.compile(r"\s*[（(].*")


@dataclass(frozen=True)
class Case:
    """A last turn; `full` names its subject, `stale` the one of before, where there was one."""

    kind: str
    history: tuple[Turn, ...]
    question: str
    gold: str
    full: str = ""
    stale: str = ""


@dataclass(frozen=True)
class Topic:
    """An article and the questions that name its title."""

    doc_id: str
    title: str
    asked: tuple[tuple[str, str], ...]


class Said(Generator):
    """A model that says what it is told to."""

    def __init__(self, reply: str) -> None:
        super().__init__(LlmSettings(base_url="http://127.0.0.1:9/v1"))  # never asked
        self._reply = reply

    async def complete(self, messages: Sequence[Turn], sampling: Sampling | None = None) -> str:
        """Return the reply."""
        return self._reply


def topics_of(documents: Sequence[CorpusDocument], questions: Sequence[Question]) -> list[Topic]:
    """Return the articles that two or more questions name."""
    titles = {document.doc_id: _BRACKET.sub("", document.title) for document in documents}
    asked: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for question in questions:
        doc_id = question.gold_doc_ids[0] if question.gold_doc_ids else ""
        if len(titles.get(doc_id, "")) > 1 and titles[doc_id] in question.question:
            asked[doc_id].append((question.question, question.answers[0]))
    return [Topic(doc_id, titles[doc_id], tuple(pairs)) for doc_id, pairs in asked.items() if len(pairs) > 1]


def without_title(question: str, title: str, rng: random.Random) -> str:
    """Return the question with a pronoun for its title, or nothing."""
    plain = question.replace(f"《{title}》", title)
    if rng.random() < 0.5:
        return plain.replace(title, rng.choice(_POINTS), 1)
    return re.sub(f"{re.escape(title)}的?", "", plain, count=1).lstrip("，,的")


def make(topics: Sequence[Topic], n_conversations: int) -> list[Case]:
    """Make conversations of each kind."""
    rng = random.Random(7)
    cases = []
    for topic in rng.sample(topics, min(n_conversations, len(topics))):
        other = rng.choice([one for one in topics if one is not topic])
        first, *later, last = topic.asked[:6]
        elided = [(without_title(question, topic.title, rng), answer) for question, answer in later]
        before = turns(other.asked[:1])
        about = turns([first, *elided])
        asked, stale = without_title(last[0], topic.title, rng), last[0].replace(topic.title, other.title)
        if sum(char.isalnum() for char in asked) > 3:
            cases.append(Case("deep", about, asked, topic.doc_id, last[0]))
            cases.append(Case("back", before + about[:2], asked, topic.doc_id, last[0], stale))
        short = min((question for question, _ in topic.asked), key=len)
        cases.append(Case("switch", before, short, topic.doc_id, short))
        cases.append(
            Case("title", before, rng.choice(("{}", "{}是什么？", "介绍一下{}")).format(topic.title), topic.doc_id)
        )
        cases.append(Case("more", before + about[:2], rng.choice(MORE), topic.doc_id))
    return cases


def turns(pairs: Sequence[tuple[str, str]]) -> tuple[Turn, ...]:
    """Return questions and answers as turns."""
    return tuple(turn for asked, said in pairs for turn in (Turn("user", asked), Turn("assistant", said)))


def written() -> list[Case]:
    """Return the evaluation's conversations, by hand."""
    lines = (EVAL / "conversations" / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        Case(
            f"written/{row['type']}",
            tuple(Turn(turn["role"], turn["content"]) for turn in row["history"]),
            row["question"],
            row["gold_doc_ids"][0],
            row["rewritten"],
        )
        for row in rows
    ]


async def plan(case: Case, way: str, questions: Sequence[str], rng: random.Random) -> Plan:
    """Plan a case's last turn."""
    if way == "alone":
        return Plan(case.question, (Search(case.question),))
    if way == "rules":
        return await Planner().plan(case.question, case.history)
    replies = {
        "perfect": case.full,
        "stale": case.stale,
        "any": rng.choice(questions),
        "chatty": f"好的，我来改写。\n{case.full}\n希望对你有帮助！",
        "empty": "",
    }
    return await Planner(rewriter=Rewriter(Said(replies[way]))).plan(case.question, case.history)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.conversations", description=__doc__)
    parser.add_argument("--embedder", default="none")
    parser.add_argument("--conversations", type=int, default=70, help="articles that are talked about")
    parser.add_argument("--data", type=Path, help="data folder that holds cmrc already, or shall")
    parser.add_argument("--show", help="print the misses of a kind")
    options = parser.parse_args(argv)
    documents = load_corpus(EVAL / "cmrc" / "corpus.jsonl")
    questions = load_questions(EVAL / "cmrc")
    cases = [*written(), *make(topics_of(documents, questions), options.conversations)]
    with ExitStack() as stack:
        place = options.data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="huozi-bench-")))
        folder = stack.enter_context(DataFolder.open(RetrievalSettings(data_dir=place, embedder=options.embedder)))
        if not any(one.name == "cmrc" for one in folder.catalog.list_collections()):
            _ingest(folder, documents)
        finder = Finder(folder.retriever, folder.catalog, top_k=10)
        publish(cases, finder, [question.question for question in questions], options.embedder, options.show)


def _ingest(folder: DataFolder, documents: Sequence[CorpusDocument]) -> None:
    records = [TextRecord(one.doc_id, one.title, one.text) for one in documents]
    with Ingestor(folder) as ingestor:
        ingestor.ingest_records(records, collection="cmrc")


def publish(cases: Sequence[Case], finder: Finder, questions: Sequence[str], embedder: str, show: str | None) -> None:
    """Measure all ways, and print them."""
    kinds = list(dict.fromkeys(case.kind for case in cases))
    ways = ("alone", "rules", *REWRITERS)
    hits: dict[tuple[str, str], list[bool]] = defaultdict(list)
    n_rewritten: dict[str, int] = defaultdict(int)
    for way in ways:
        rng = random.Random(5)
        for case in cases:
            made = asyncio.run(plan(case, way, questions, rng))
            found = finder.find(made, "cmrc", {}).retrieval.hits
            hits[case.kind, way].append(bool(found) and found[0].chunk.source == case.gold)
            n_rewritten[way] += made.rewritten is not None
            if show == case.kind and way == "rules" and not hits[case.kind, way][-1]:
                say(f"{[turn.text for turn in case.history]} | {case.question} | {made.searches[0].context}")
    rows = [
        [kind, len(hits[kind, "rules"]), *(sum(hits[kind, way]) / len(hits[kind, way]) for way in ways)]
        for kind in kinds
    ]
    everything = [[hit for kind in kinds for hit in hits[kind, way]] for way in ways]
    rows.append(["all", len(cases), *(sum(all_hits) / len(all_hits) for all_hits in everything)])
    rows.append(["rewritings that counted", "", *(n_rewritten[way] for way in ways)])
    figures = {"embedder": embedder, "hit@1": {row[0]: dict(zip(ways, row[2:], strict=True)) for row in rows}}
    report("conversations", {**machine(), **figures}, ("kind", "n", *ways), rows)


if __name__ == "__main__":
    main()
