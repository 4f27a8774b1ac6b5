"""How much processor time does ChatHuozi take for a stream, beside the bare openai client reading the same one?

python -m benchmarks.chat_model [--tokens 300] [--streams 4] [--paces-ms 0 2] [--runs 5]

The server is a process of its own; both clients run here and take turns, each reading every chunk's text. `ChatOpenAI`,
LangChain's stock class, is beside them for comparison. A pace of 0 sends as fast as it goes, so that one read holds
several tokens and parsing weighs most; with a pause each token is a read of its own, as from a real model.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import openai
from langchain_openai import ChatOpenAI

from assistant import ChatHuozi
from benchmarks.measure import machine, median, median_ratio, report, say
from benchmarks.servers import start

TARGET = 1.15
_ASKED = "请介绍年假制度。"
Way = Callable[[], int]
AsyncWay = Callable[[], Awaitable[int]]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.chat_model", description=__doc__)
    parser.add_argument("--tokens", type=int, default=300)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--paces-ms", type=float, nargs="+", default=[0, 2])
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args(argv)
    about = machine()
    lines = []
    with tempfile.TemporaryDirectory(prefix="huozi-bench-") as folder:
        for pace_ms in options.paces_ms:
            arguments = ["--tokens", str(options.tokens), "--pace-s", str(pace_ms / 1000)]
            with start("model", Path(folder), *arguments) as model:
                lines += measure(f"{model.url}/v1", pace_ms, options.streams, options.tokens, options.runs)
    publish(lines, about)


def measure(base_url: str, pace_ms: float, streams: int, tokens: int, runs: int) -> list[dict[str, Any]]:
    """Measure `stream` and `astream` of each client."""
    found = []
    for kind, take in (("stream", sync_seconds), ("astream", async_seconds)):
        times: dict[str, list[float]] = {}
        take(base_url, 1)  # imports and connections
        for _ in range(runs):
            for name, seconds in take(base_url, streams).items():
                times.setdefault(name, []).append(seconds / streams / tokens)
        found.append(line(kind, pace_ms, times))
        say(f"{found[-1]}")
    return found


def sync_seconds(base_url: str, streams: int) -> dict[str, float]:
    """Return each client's processor seconds for so many streams, one after the other."""
    bare = openai.OpenAI(base_url=base_url, api_key="unset")
    huozi = ChatHuozi(base_url=base_url, api_key="unset")
    stock = ChatOpenAI(model="huozi", base_url=base_url, api_key="unset", stream_usage=True)

    def read_bare() -> int:
        with bare.chat.completions.create(**request()) as stream:
            return sum(len(chunk.choices[0].delta.content or "") for chunk in stream if chunk.choices)

    ways: dict[str, Way] = {
        "openai": read_bare,
        "ChatHuozi": lambda: sum(len(chunk.content) for chunk in huozi.stream(_ASKED)),
        "ChatOpenAI": lambda: sum(len(chunk.content) for chunk in stock.stream(_ASKED)),
    }
    times = {}
    for name, read in ways.items():
        read()
        started = time.process_time()
        for _ in range(streams):
            read()
        times[name] = time.process_time() - started
    bare.close()
    return times


def async_seconds(base_url: str, streams: int) -> dict[str, float]:
    """Return each client's processor seconds for so many streams, one after the other."""
    return asyncio.run(_async_seconds(base_url, streams))


async def _async_seconds(base_url: str, streams: int) -> dict[str, float]:
    bare = openai.AsyncOpenAI(base_url=base_url, api_key="unset")
    huozi = ChatHuozi(base_url=base_url, api_key="unset")
    connections = openai.DefaultAsyncHttpxClient()
    stock = ChatOpenAI(
        model="huozi", base_url=base_url, api_key="unset", stream_usage=True, http_async_client=connections
    )

    async def read_bare() -> int:
        async with await bare.chat.completions.create(**request()) as stream:
            return sum([len(chunk.choices[0].delta.content or "") async for chunk in stream if chunk.choices])

    async def read(model: ChatHuozi | ChatOpenAI) -> int:
        return sum([len(chunk.content) async for chunk in model.astream(_ASKED)])

    ways: dict[str, AsyncWay] = {
        "openai": read_bare,
        "ChatHuozi": lambda: read(huozi),
        "ChatOpenAI": lambda: read(stock),
    }
    times = {}
    for name, way in ways.items():
        await way()
        started = time.process_time()
        for _ in range(streams):
            await way()
        times[name] = time.process_time() - started
    await bare.close()
    await connections.aclose()
    return times


def request() -> dict[str, Any]:
    """Return what ChatHuozi sends, for the bare client."""
    return {
        "model": "huozi",
        "messages": [{"role": "user", "content": _ASKED}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "extra_body": {"stop_token_ids": [57001]},
    }


def line(kind: str, pace_ms: float, times: dict[str, list[float]]) -> dict[str, Any]:
    """Return one line's medians: microseconds a token, and ratios."""
    return {
        "call": kind,
        "pace_ms": pace_ms,
        **{f"{name}_us": round(median(seconds) * 1e6, 1) for name, seconds in times.items()},
        "ratio": median_ratio(times["ChatHuozi"], times["openai"]),
        "ratio_stock": median_ratio(times["ChatOpenAI"], times["openai"]),
    }


def publish(lines: Sequence[dict[str, Any]], about: dict[str, Any]) -> None:
    """Print the table."""
    header = [
        "call",
        "pace ms",
        "openai us/token",
        "ChatHuozi",
        "ChatOpenAI",
        f"ChatHuozi / openai (target {TARGET:g})",
    ]
    rows = [[*list(one.values())[:6], f"ChatOpenAI: {one['ratio_stock']}"] for one in lines]
    report("chat_model", {**about, "target": TARGET, "lines": list(lines)}, [*header, ""], rows)


if __name__ == "__main__":
    main()
