"""How much of bare onnxruntime's speed does `e5` keep, and what do loading and memory cost?

python -m benchmarks.embedding [--passages 32] [--runs 9]

Both run the same model on the same texts, one text a run. Bare onnxruntime gets ready-made inputs, in the two ways
there are to use all processors: side by side on threads, and one after the other with threads inside; ours starts from
text, and is compared with the faster of the two.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psutil

from benchmarks.measure import machine, median, report
from benchmarks.texts import Texts
from retrieval.embedders.e5 import PASSAGE_PREFIX, E5Embedder, open_session, usable_processors
from retrieval.embedders.e5_model import INPUT, build_model
from retrieval.embedders.e5_tokenizer import Tokenizer
from retrieval.embedders.e5_weights import Floats, WeightsFile, find_weights

TARGET = 0.9
PASSAGE_CHARS = 310  # about 250 tokens
QUESTION_WORDS = 6


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.embedding", description=__doc__)
    parser.add_argument("--passages", type=int, default=32)
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args(argv)
    about = machine()
    start_up = measure_start_up()
    figures = measure_speed(options.passages, options.runs)
    publish({"machine": about, **start_up, **figures})


def measure_start_up() -> dict[str, float]:
    """Time each step from nothing to a first vector, and the memory before and after."""
    import onnxruntime  # noqa: F401  (part of every process that embeds, so not counted)

    memory = {"process_mb": resident_mb()}
    embedder = E5Embedder()
    memory["constructed_mb"] = resident_mb()
    seconds: dict[str, float] = {}

    def step(name: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = work()
        seconds[f"{name}_s"] = time.perf_counter() - started
        return result

    step("first_question", lambda: embedder.embed_question("年假有多少天"))
    memory["loaded_mb"] = resident_mb()
    weights = step("open_weights", lambda: WeightsFile(find_weights()))
    step("build_tokenizer", lambda: Tokenizer(weights.vocabulary()))
    model = step("convert", lambda: build_model(weights))
    step("open_session", lambda: open_session(model, threads=1))
    return {**seconds, **memory}


def measure_speed(n_passages: int, runs: int) -> dict[str, Any]:
    """Embed the same texts in three ways, in turn."""
    source = Texts()
    passages = [source.phrase(PASSAGE_CHARS // 2)[:PASSAGE_CHARS] for _ in range(n_passages)]
    questions = [source.phrase(QUESTION_WORDS) for _ in range(n_passages)]
    embedder = E5Embedder()
    embedder.embed_batch(passages[:8])
    inputs = ready_inputs(embedder, passages)
    threads = usable_processors()
    session, alone = embedder.session, open_session(build_model(WeightsFile(find_weights())), threads=threads)
    with ThreadPoolExecutor(threads) as pool:
        ways: dict[str, Callable[[], Any]] = {
            "ours": lambda: embedder.embed_batch(passages),
            "bare, texts side by side": lambda: list(pool.map(lambda x: session.run(None, {INPUT: x}), inputs)),
            "bare, threads within a text": lambda: [alone.run(None, {INPUT: x}) for x in inputs],
            "questions": lambda: [embedder.embed_question(question) for question in questions],
        }
        for way in ways.values():
            way()
        times: dict[str, list[float]] = {name: [] for name in ways}
        processor_times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(runs):  # in turn, so that a busy moment of the machine hits all alike
            for name, way in ways.items():
                started, used = time.perf_counter(), time.process_time()
                way()
                times[name].append(time.perf_counter() - started)
                processor_times[name].append(time.process_time() - used)
    medians = {name: median(each) for name, each in times.items()}
    used_by = {name: median(each) for name, each in processor_times.items()}
    question_s = medians.pop("questions") / n_passages
    bare = min(seconds for name, seconds in medians.items() if name != "ours")
    return {
        "passages": n_passages,
        "runs": runs,
        "tokens_a_passage": float(np.mean([x.shape[1] for x in inputs])),
        "passages_a_second": {name: n_passages / seconds for name, seconds in medians.items()},
        "question_ms": 1000 * question_s,
        "ratio": bare / medians["ours"],
        "processor_time_ratio": used_by["bare, texts side by side"] / used_by["ours"],
        "target": TARGET,
        "after_all_mb": resident_mb(),
    }


def ready_inputs(embedder: E5Embedder, passages: Sequence[str]) -> list[Floats]:
    """Return what the encoder gets, in the order in which ours runs them."""
    ordered = sorted(passages, key=len, reverse=True)
    return [embedder.inputs(PASSAGE_PREFIX + passage) for passage in ordered]


def resident_mb() -> float:
    """Return this process's resident memory."""
    return float(psutil.Process().memory_info().rss / 1e6)


def publish(figures: dict[str, Any]) -> None:
    """Print them."""
    rows: list[tuple[str, Any]] = [
        (f"{name}, passages/s", value) for name, value in figures["passages_a_second"].items()
    ]
    rows += [
        (f"ours / faster bare (at least {TARGET})", figures["ratio"]),
        ("the same by processor time", figures["processor_time_ratio"]),
        ("question, ms", figures["question_ms"]),
    ]
    rows += [(name, value) for name, value in figures.items() if name.endswith(("_s", "_mb"))]
    report("embedding", figures, ("what", "value"), rows)


if __name__ == "__main__":
    main()
