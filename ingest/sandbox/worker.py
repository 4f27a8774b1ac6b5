"""The child: reads jobs, parses them, writes results, in order.

It is started as `python -c` with its arguments in `sys.argv`, not by `multiprocessing`, which would import the user's
main script again. One thread reads jobs, so the parent never waits for room to write, and one writes results, so the
parser never waits for the parent to read: how many there are at a time is the parent's business.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from dataclasses import replace
from typing import BinaryIO

from ingest.errors import IngestError
from ingest.sandbox.parse import Parsed, ParseJob, indexed_texts, parse
from ingest.sandbox.wire import BUFFER_BYTES, READY, Parts, decode_job, encode_result, read, write
from ingest.settings import IngestSettings

MAX_INDEXED_CHARS = 1_000_000
"""Of a longer document the parent makes the tokens itself: they are five times its text, and would be held twice."""
_SWITCH_S = 0.001  # A job or result does not wait longer for the parser to give Python's lock away.


def main(settings_json: str, begun_fd: int) -> None:
    """Work until the parent closes its end.

    Args:
        settings_json: `IngestSettings` as JSON.
        begun_fd: Gets one byte as each job is begun: what the parent reads when this process has died.
    """
    settings = IngestSettings.model_validate_json(settings_json)
    source, sink = _take_wires()
    sys.setswitchinterval(_SWITCH_S)
    _warm()
    jobs: queue.SimpleQueue[Parts] = queue.SimpleQueue()
    results: queue.SimpleQueue[Parts] = queue.SimpleQueue()
    threading.Thread(target=_read_jobs, args=(source, jobs), daemon=True).start()
    threading.Thread(target=_write_results, args=(sink, results), daemon=True).start()
    results.put(READY)
    while True:
        job = decode_job(jobs.get())
        os.write(begun_fd, b".")
        results.put(encode_result(_result(job, settings)))


def _result(job: ParseJob, settings: IngestSettings) -> Parsed | IngestError:
    try:
        parsed = parse(job, settings)
    except IngestError as error:
        return error
    if len(parsed.document.text) > MAX_INDEXED_CHARS:
        return parsed
    return replace(parsed, indexed_texts=indexed_texts(parsed.document, parsed.spans))


def _take_wires() -> tuple[BinaryIO, BinaryIO]:
    """Return streams to the parent, and leave to the parsers a standard output and input that do no harm."""
    source, sink = os.fdopen(os.dup(0), "rb", BUFFER_BYTES), os.fdopen(os.dup(1), "wb", BUFFER_BYTES)
    os.dup2(2, 1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    return source, sink


def _warm() -> None:
    """Load what every job needs before the parent counts on this process."""
    import ingest.loaders.markdown
    import ingest.loaders.text  # noqa: F401
    from retrieval.keyword.tokens import tokenize

    tokenize("热身" * 40)


def _read_jobs(source: BinaryIO, jobs: queue.SimpleQueue[Parts]) -> None:
    try:
        while True:
            jobs.put(read(source))
    except (EOFError, OSError):
        os._exit(0)  # The parent is gone, or done with us; whatever is being parsed has no reader.


def _write_results(sink: BinaryIO, results: queue.SimpleQueue[Parts]) -> None:
    try:
        while True:
            write(sink, results.get())
    except OSError:
        os._exit(0)
