"""Does every prompt fit into its window, how full is it, and what does that take? Against the real vLLM.

python -m benchmarks.window [--cases 5000] [--url http://127.0.0.1:8000] [--complete 100] [--with-tools 100]

Random conversations, sources and rare characters (tests/window_cases.py) at windows of 2,048, 8,192 and 32,768 tokens
are packed, and vLLM counts each whole prompt; some are also answered for real, with all that was kept free for the
answer. Conversations with tools go to the model itself by ChatHuozi, which sends what fits and refuses the rest.
Without `--url` it starts the tests' vLLM with the tiny model.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from benchmarks.measure import machine, median, report, say
from tests.vllm_server import VllmServer
from tests.window_cases import WINDOWS, case
from tests.window_checks import Checker, Fitted

FULL = 0.97
TARGET_MS = 30.0
NEAR_FULL = 31_000
"""Tokens of a prompt that is timed: nearly the whole window, not the half that a long answer leaves."""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.window", description=__doc__)
    parser.add_argument("--cases", type=int, default=5_000)
    parser.add_argument("--url", default="", help="a vLLM that runs already and serves the tiny model")
    parser.add_argument("--tokenizer", type=Path, help="its tokenizer.json, to time counts by that too")
    parser.add_argument("--complete", type=int, default=100, help="every so manieth is answered for real")
    parser.add_argument("--with-tools", type=int, default=50, help="every so manieth goes to the model itself")
    options = parser.parse_args(argv)
    about = machine()
    with tempfile.TemporaryDirectory(prefix="huozi-bench-") as folder:
        server = nullcontext() if options.url else VllmServer(Path(folder))
        with server as running:
            url = f"{options.url.rstrip('/')}/v1" if running is None else running.base_url
            file = options.tokenizer or (
                Path(folder) / "tiny-mixtral" / "tokenizer.json" if running is not None else None
            )
            found = asyncio.run(measure(url, options.cases, options.complete, options.with_tools, file))
    publish(found, about)
    if any(line["overflows"] for line in found["windows"]) or found["tools"]["overflows"]:
        raise SystemExit(1)


async def measure(
    base_url: str, n_cases: int, complete: int, with_tools: int, tokenizer: Path | None
) -> dict[str, Any]:
    """Pack all cases."""
    checker = Checker(base_url)
    by_window: dict[int, list[Fitted]] = defaultdict(list)
    completed: dict[int, list[int]] = defaultdict(list)
    tools: list[int | None] = []
    for seed in range(n_cases):
        made = case(seed)
        fitted = await checker.fit(made)
        by_window[made.window_tokens].append(fitted)
        if seed % complete == 0 and fitted.window is not None:
            usage = await checker.complete(made, fitted.window)
            completed[made.window_tokens].append(usage.prompt_tokens + made.answer_tokens - made.window_tokens)
        if seed % with_tools == 1:
            sent = await checker.ask_with_tools(made)
            tools.append(None if sent is None else sent - made.window_tokens)
        if seed % 250 == 249:
            say(f"{seed + 1} cases, {sum(over(one) for each in by_window.values() for one in each)} overflows")
    timed = await full_windows(checker)
    await checker.aclose()
    if tokenizer is not None:
        by_file = Checker(base_url, tokenizer)
        timed |= {f"{name}_by_file": ms for name, ms in (await full_windows(by_file)).items() if name.endswith("_ms")}
        await by_file.aclose()
    return {
        "windows": [line(size, by_window[size], completed[size]) for size in WINDOWS],
        "tools": {
            "sent": sum(one is not None for one in tools),
            "refused": sum(one is None for one in tools),
            "overflows": sum(one is not None and one > 0 for one in tools),
        },
        "full_window": timed,
    }


def over(fitted: Fitted) -> bool:
    """Whether a prompt is longer than it may be."""
    return fitted.tokens > fitted.budget


def line(size: int, fitted: Sequence[Fitted], completed: Sequence[int]) -> dict[str, Any]:
    """Return one window's figures."""
    sent = [one for one in fitted if one.window is not None]
    cut = [one for one in sent if one.was_cut]
    return {
        "window": size,
        "prompts": len(sent),
        "too_long": len(fitted) - len(sent),
        "overflows": sum(map(over, sent)) + sum(excess > 0 for excess in completed),
        "answered": len(completed),
        "cut": len(cut),
        "least_fill": round(min((one.fill for one in cut), default=1.0), 4),
        "below_97": sum(one.fill < FULL for one in cut),
        "mean_fill": round(sum(one.fill for one in cut) / max(1, len(cut)), 4),
        "most_calls": max(one.calls for one in sent),
        "ms": round(median([one.seconds * 1000 for one in sent]), 1),
    }


async def full_windows(checker: Checker, n: int = 12) -> dict[str, float]:
    """Time prompts of nearly 32,768 tokens: of texts never seen before, and the next question on the same ones."""
    new, seen, raw = [], [], []
    for seed in range(10_000, 10_400):
        made = case(seed, window_tokens=WINDOWS[-1])
        fitted = await checker.fit(made)
        if fitted.window is None or fitted.tokens < NEAR_FULL or fitted.calls != 1:
            continue
        started = time.perf_counter()
        await checker.count(fitted.window)
        raw.append((time.perf_counter() - started) * 1000)
        new.append(fitted.seconds * 1000)
        seen.append((await checker.fit(made)).seconds * 1000)
        if len(new) == n:
            break
    return {
        "new_ms": round(median(new), 1),
        "seen_ms": round(median(seen), 1),
        "whole_prompt_counted_ms": round(median(raw), 1),
        "new_beside_whole": round(median([a / b for a, b in zip(new, raw, strict=True)]), 2),
        "target_ms": TARGET_MS,
    }


def publish(found: dict[str, Any], about: dict[str, Any]) -> None:
    """Print the table."""
    header = [
        "window",
        "prompts",
        "overflows",
        "answered for real",
        "cut",
        "fill: least / mean",
        "< 97 %",
        "calls",
        "ms",
    ]
    rows = [
        [
            one["window"],
            one["prompts"],
            one["overflows"],
            one["answered"],
            one["cut"],
            f"{one['least_fill']} / {one['mean_fill']}",
            one["below_97"],
            one["most_calls"],
            one["ms"],
        ]
        for one in found["windows"]
    ]
    report("window", {**about, **found}, header, rows)
    say(f"with tools: {found['tools']}")
    say(f"a full window of 32,768 tokens: {found['full_window']}")


if __name__ == "__main__":
    main()
