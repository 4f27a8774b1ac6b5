"""How long until the first token over HTTP, beside a bare FastAPI proxy in front of the same model server?

python -m benchmarks.first_token [--clients 1 16 64] [--delays-ms 0 200] [--runs 5]

Each client asks, reads the answer to its end, asks again. Ours is `huozi-rag`: search, prompt, model, citations, its
first token a draft, as the page asks for them (other clients get a sentence when it is checked); and `huozi`, the model
itself through our service.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from assistant.refusal.decision import is_answerable
from benchmarks.embedder import NAME, register
from benchmarks.ingest import make_records
from benchmarks.measure import machine, median, median_ratio, percentile, report, say
from benchmarks.search import make_questions
from benchmarks.servers import FIRST_TOKEN, start
from ingest import Ingestor
from retrieval.data_folder import DataFolder
from retrieval.settings import RetrievalSettings

TARGET = 2.0
CHUNKS = 2_000
QUESTIONS = 500
LEAST_ASKED = 30
"""Questions a round and way, or two a client where that is more."""

_MARK = json.dumps(FIRST_TOKEN, ensure_ascii=False)[1:-1].encode()
_END = b"0\r\n\r\n"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.first_token", description=__doc__)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--delays-ms", type=int, nargs="+", default=[0, 200])
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args(argv)
    about = machine()
    with tempfile.TemporaryDirectory(prefix="huozi-bench-") as folder:
        questions = fill(Path(folder) / "data")
        lines = []
        for delay_ms in options.delays_ms:
            lines += measure(Path(folder), questions, delay_ms, options.clients, options.runs)
    publish(lines, about)


def fill(place: Path) -> list[str]:
    """Make a data folder and return questions about it."""
    register()
    with DataFolder.open(RetrievalSettings(data_dir=place, embedder=NAME)) as data:
        Ingestor(data).ingest_records(make_records(CHUNKS))
        questions = [question.removesuffix("是什么") for question in make_questions(data, QUESTIONS)]
        # A refusal asks no model, so it has no first token.
        answered = [question for question in questions if is_answerable(data.retriever.retrieve(question), NAME)]
        say(f"{len(answered)} of {len(questions)} questions are answered")
        return answered


def measure(
    folder: Path, questions: Sequence[str], delay_ms: int, clients: Sequence[int], runs: int
) -> list[dict[str, Any]]:
    """Measure every number of clients in front of one model server."""
    with ExitStack() as stack:
        model = stack.enter_context(start("model", folder, "--delay-s", str(delay_ms / 1000)))
        proxy = stack.enter_context(start("proxy", folder, "--upstream", model.url))
        environment = {
            "HUOZI_DATA_DIR": str(folder / "data"),
            "HUOZI_EMBEDDER": NAME,
            "HUOZI_LLM__BASE_URL": f"{model.url}/v1",
        }
        service = stack.enter_context(start("service", folder, **environment))
        ways = {
            "proxy": (proxy.url, "huozi"),
            "huozi-rag": (service.url, "huozi-rag"),
            "huozi": (service.url, "huozi"),
        }
        for url, name in ways.values():
            asyncio.run(ask_together(url, name, questions, clients=4, count=20))
        lines = []
        for n_clients in clients:
            count = max(LEAST_ASKED, 2 * n_clients)
            times: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(runs):
                for way, (url, name) in ways.items():
                    found = asyncio.run(ask_together(url, name, questions, clients=n_clients, count=count))
                    times[way].append(percentile(found, 0.5))
            lines.append(line(delay_ms, n_clients, times))
            say(f"{lines[-1]}")
        return lines


async def ask_together(url: str, model: str, questions: Sequence[str], *, clients: int, count: int) -> list[float]:
    """Return the seconds to the first token of `count` questions asked by so many clients."""
    waiting = iter([questions[number % len(questions)] for number in range(count)])
    times: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
        for question in waiting:
            times.append(await ask(reader, writer, model, question))
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(client() for _ in range(clients)))
    return times


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, model: str, question: str) -> float:
    """Ask once over an open connection; plain sockets, as the client shares the machine with the servers."""
    asked: dict[str, Any] = {"model": model, "stream": True, "messages": [{"role": "user", "content": question}]}
    if model == "huozi-rag":
        asked["stream_options"] = {"include_drafts": True}
    body = json.dumps(asked, ensure_ascii=False).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    started = time.perf_counter()
    writer.write(head.encode() + body)
    read = b""
    while _MARK not in read:
        piece = await reader.read(65536)
        read += piece
        if _MARK not in read and (not piece or read.endswith(_END)):
            raise RuntimeError(f"{model} gave no token: {read[-1500:].decode('utf-8', 'replace')}")
    taken = time.perf_counter() - started
    tail = read[-16:]
    while not tail.endswith(_END):
        piece = await reader.read(65536)
        if not piece:
            raise RuntimeError(f"{model} broke off")
        tail = (tail + piece)[-16:]
    return taken


def line(delay_ms: int, n_clients: int, times: dict[str, list[float]]) -> dict[str, Any]:
    """Return one line's medians, in milliseconds."""
    return {
        "model_delay_ms": delay_ms,
        "clients": n_clients,
        **{f"{way}_p50_ms": round(median(times[way]) * 1000, 2) for way in times},
        "ratio": median_ratio(times["huozi-rag"], times["proxy"]),
        "ratio_huozi": median_ratio(times["huozi"], times["proxy"]),
    }


def publish(lines: Sequence[dict[str, Any]], about: dict[str, Any]) -> None:
    """Print the table."""
    header = ["model delay ms", "clients", "proxy ms", "huozi-rag ms", "huozi ms", f"rag / proxy (target {TARGET:g})"]
    rows = [[*list(one.values())[:6], f"huozi: {one['ratio_huozi']}"] for one in lines]
    report("first_token", {**about, "chunks": CHUNKS, "target": TARGET, "lines": list(lines)}, [*header, ""], rows)


if __name__ == "__main__":
    main()
