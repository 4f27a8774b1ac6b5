"""The child: reads jobs, parses them, writes results, in order.

It is started as `python -c` with its arguments in `sys.argv`, not by `multiprocessing`, which would import the user's
main script again. One thread reads jobs, so the parent never waits for room to write, and one writes results, so the
parser never waits for the parent to read: how many there are at a time is the parent's business.

Before the first job it gives up what parsing does not need (`confine.py`). Each job runs against a timer of the kernel,
which ends this process also while native code holds Python's lock; the parent sees how it ended.
"""

from __future__ import annotations

import compileall
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from ingest.errors import IngestError, ParserLimitError
from ingest.ocr import page_clock
from ingest.ocr.availability import MAX_THREADS
from ingest.sandbox.capacity import memory_mb, usable_cores, worker_count
from ingest.sandbox.confine import confine, resident_bytes
from ingest.sandbox.parse import Parsed, ParseJob, indexed_texts, parse
from ingest.sandbox.wire import BUFFER_BYTES, Parts, decode_job, encode_ready, encode_result, read, write
from ingest.settings import IngestSettings

MAX_INDEXED_CHARS = 1_000_000
"""Of a longer document the parent makes the tokens itself: they are five times its text, and would be held twice."""
RETIRE_BYTES = 384 * 1024 * 1024
"""A worker that holds more after a document makes room for a fresh one: the next has all of its limit to itself."""
OCR_BYTES = 384 * 1024 * 1024
"""What one that has read pictures may hold beside: models that take a second to load again."""
BEGUN, SPLITTING, RETIRED = b".", b"s", b"r"
PAGE_BEGUN, PAGE_DONE = b"p", b"q"
_SWITCH_S = 0.001  # A job or result does not wait longer for the parser to give Python's lock away.


def main(settings_json: str, begun_fd: int) -> None:
    """Work until the parent closes its end.

    Args:
        settings_json: `IngestSettings` as JSON.
        begun_fd: Gets one byte as each job is begun, others when it is to be split, before and after each picture that
            is read, and before retiring: what the parent reads when this process has ended.
    """
    settings = _with_threads(IngestSettings.model_validate_json(settings_json))
    clock = _PageClock(begun_fd, settings.load.ocr.max_seconds_per_page)
    page_clock.use(lambda: clock)
    source, sink = _take_wires()
    sys.setswitchinterval(_SWITCH_S)
    _warm()
    layers = confine(settings.load.max_memory_mb)
    jobs: queue.SimpleQueue[Parts] = queue.SimpleQueue()
    results: queue.SimpleQueue[Parts | None] = queue.SimpleQueue()
    threading.Thread(target=_read_jobs, args=(source, jobs), daemon=True).start()
    writer = threading.Thread(target=_write_results, args=(sink, results), daemon=True)
    writer.start()
    results.put(encode_ready(layers))
    while resident_bytes() < RETIRE_BYTES + (OCR_BYTES if clock.was_used else 0):
        job = decode_job(jobs.get())
        os.write(begun_fd, BEGUN)
        signal.setitimer(signal.ITIMER_REAL, settings.load.seconds_for(len(job.data)))
        results.put(_message(job, settings, lambda: os.write(begun_fd, SPLITTING)))
        signal.setitimer(signal.ITIMER_REAL, 0)
    os.write(begun_fd, RETIRED)
    results.put(None)
    writer.join()


def _message(job: ParseJob, settings: IngestSettings, on_split: Callable[[], object]) -> Parts:
    try:
        return encode_result(_result(job, settings, on_split))
    except MemoryError:
        return encode_result(ParserLimitError(job.source, "memory", settings.load.max_memory_mb))


def _result(job: ParseJob, settings: IngestSettings, on_split: Callable[[], object]) -> Parsed | IngestError:
    try:
        parsed = parse(job, settings, on_split)
    except IngestError as error:
        return error
    if len(parsed.document.text) > MAX_INDEXED_CHARS:
        return parsed
    return replace(parsed, indexed_texts=indexed_texts(parsed.document, parsed.spans))


class _PageClock:
    """Stops the job's timer while a picture is read, which has one of its own; tells the parent, which has both too."""

    def __init__(self, fd: int, seconds: float) -> None:
        self._fd = fd
        self._seconds = seconds
        self._left = 0.0
        self.was_used = False

    def __enter__(self) -> None:
        self.was_used = True
        os.write(self._fd, PAGE_BEGUN)
        self._left, _ = signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, self._left)
        os.write(self._fd, PAGE_DONE)


def _with_threads(settings: IngestSettings) -> IngestSettings:
    """Give each of several workers its share of the cores for reading pictures, where no number is set."""
    load = settings.load
    if load.ocr.threads:
        return settings
    cores = usable_cores()
    n_workers = worker_count(load.workers, cores=cores, memory_mb=memory_mb(), max_memory_mb=load.max_memory_mb)
    ocr = load.ocr.model_copy(update={"threads": max(1, min(MAX_THREADS, cores // n_workers))})
    return settings.model_copy(update={"load": load.model_copy(update={"ocr": ocr})})


def _take_wires() -> tuple[BinaryIO, BinaryIO]:
    """Return streams to the parent, and leave to the parsers standard streams that lead nowhere.

    What parsers print comes from the document: none of it should reach a terminal or a log.
    """
    source, sink = os.fdopen(os.dup(0), "rb", BUFFER_BYTES), os.fdopen(os.dup(1), "wb", BUFFER_BYTES)
    with open(os.devnull, "r+b", buffering=0) as nothing:
        for descriptor in (0, 1, 2):
            os.dup2(nothing.fileno(), descriptor)
    return source, sink


def _warm() -> None:
    """Load what every job needs before the parent counts on this process."""
    import ingest.loaders.markdown
    import ingest.loaders.text
    from retrieval.keyword.tokens import tokenize

    tokenize("热身" * 40)
    if not sys.dont_write_bytecode:
        # Once confined nothing can be written: without this every worker would compile the loaders again.
        compileall.compile_dir(Path(ingest.loaders.__file__).parent, quiet=2)
        sys.dont_write_bytecode = True


def _read_jobs(source: BinaryIO, jobs: queue.SimpleQueue[Parts]) -> None:
    try:
        while True:
            jobs.put(read(source))
    except MemoryError:
        os._exit(1)  # For the document that is too large to be taken in.
    except (EOFError, OSError):
        os._exit(0)  # The parent is gone, or done with us; whatever is being parsed has no reader.


def _write_results(sink: BinaryIO, results: queue.SimpleQueue[Parts | None]) -> None:
    try:
        while (result := results.get()) is not None:
            write(sink, result)
    except OSError:
        os._exit(0)
