"""Answer a whole file offline, by vLLM's Python API in vLLM's own environment. What is answered stays answered."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from assistant.serving.batch_file import BatchRequest, Json, lines_of, read_results, write_results
from assistant.serving.engines import OFFLINE, ServeOptions, vllm
from assistant.serving.errors import EngineFailedError
from assistant.serving.failures import cannot_run, cause_of, tail
from retrieval.errors import Message

if TYPE_CHECKING:
    from assistant.serving.installs import PythonInstall
    from assistant.serving.profile import Profile
    from assistant.serving.weights import Weights

CHILD = Path(__file__).parent / "children" / "vllm_batch.py"
BATCH_SIZE = 256
"""Requests handed over at once: vLLM fills its GPU with them, and so many are lost at most when it is stopped."""
MAX_TOKENS = 1024


@dataclass(frozen=True)
class BatchReport:
    """What a run did.

    Args:
        answered: Lines answered now.
        kept: Lines that an earlier run had answered.
        failed: Lines that the model could not take; each has its reason in the output.
    """

    answered: int
    kept: int
    failed: int


def job_of(
    profile: Profile, weights: Weights, options: ServeOptions, *, install: PythonInstall, generation: Path
) -> Json:
    """Return what the child needs to know before the first request."""
    arguments = vllm.model_arguments(profile, weights, options, install=install, generation=generation)
    template = profile.template_path.read_text("utf-8")
    return {"engine": {"model": str(weights.path), **arguments}, "template": template}


def sampling_of(profile: Profile, chosen: Mapping[str, Any], line: Mapping[str, Any]) -> Json:
    """Return vLLM's sampling parameters: the profile's, over them the command's, over them the line's own."""
    authors = profile.sampling
    own = {
        "temperature": authors.temperature,
        "top_p": authors.top_p,
        "top_k": authors.top_k,
        "repetition_penalty": authors.repetition_penalty,
        "max_tokens": authors.max_tokens or MAX_TOKENS,
    }
    merged: Json = {}
    for layer in (own, chosen, line):
        merged |= {name: value for name, value in layer.items() if value is not None}
    stops = list(dict.fromkeys([*profile.stop, *merged.pop("stop", ())]))
    ends = list(profile.stop_token_ids)
    return merged | ({"stop": stops} if stops else {}) | ({"stop_token_ids": ends} if ends else {})


def run_batch(
    requests: Sequence[BatchRequest],
    profile: Profile,
    *,
    job: Json,
    chosen: Mapping[str, Any],
    install: PythonInstall,
    environment: Mapping[str, str],
    folder: Path,
    output: Path | None,
    emit: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> BatchReport:
    """Answer requests, in their order.

    Args:
        requests: All lines of the batch.
        profile: The model.
        job: From `job_of`.
        chosen: Sampling for all lines.
        install: Where vLLM is.
        environment: Of this process.
        folder: For the job's file and the log.
        output: Results, appended as they come; what it holds is not asked again, failures are. None: `emit` alone.
        emit: Takes the results' lines where there is no output file.
        progress: Called with the number done and of all.

    Raises:
        EngineFailedError: If vLLM ends; what it had answered is kept.
    """
    results = {} if output is None else read_results(output)
    done = {one.id for one in requests if "text" in results.get(one.id, {})}
    open_requests = [one for one in requests if one.id not in done]
    kept = len(done)
    if open_requests:
        if output is not None:
            write_results(output, requests, {id: results[id] for id in done})
        with _Child(job, install, environment, folder) as child:
            progress(kept, len(requests))
            for start in range(0, len(open_requests), BATCH_SIZE):
                batch = open_requests[start : start + BATCH_SIZE]
                answers = child.ask([_plain(one, profile, chosen) for one in batch])
                results |= {answer["id"]: answer for answer in answers}
                _keep(lines_of(answers), output, emit)
                progress(kept + start + len(batch), len(requests))
    if output is not None:
        # Lines that were answered again, or were added in the middle, go to their places.
        write_results(output, requests, results)
    failed = sum("error" in results[one.id] for one in open_requests)
    return BatchReport(len(open_requests) - failed, kept, failed)


def _plain(request: BatchRequest, profile: Profile, chosen: Mapping[str, Any]) -> Json:
    sampling = sampling_of(profile, chosen, request.sampling)
    return {"id": request.id, "messages": request.messages, "sampling": sampling}


def _keep(lines: str, output: Path | None, emit: Callable[[str], None]) -> None:
    if output is None:
        emit(lines)
        return
    with output.open("a", encoding="utf-8") as file:
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())


class _Child:
    """The process with the model in it."""

    def __init__(self, job: Json, install: PythonInstall, environment: Mapping[str, str], folder: Path) -> None:
        self._log = folder / "generate.log"
        self._closing = ExitStack()
        job_file = folder / "job.json"
        job_file.write_text(json.dumps(job, ensure_ascii=False), "utf-8")
        reading, writing = os.pipe()
        self._results = self._closing.enter_context(os.fdopen(reading, encoding="utf-8"))
        try:
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    [str(install.python), str(CHILD), str(job_file), str(writing)],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=(writing,),
                    env={**OFFLINE, **environment, "PYTHONIOENCODING": "utf-8"},
                )
        except OSError as exc:
            self._closing.close()
            raise cannot_run(str(install.python), exc) from exc
        finally:
            os.close(writing)

    def __enter__(self) -> _Child:
        try:
            self._read()
        except BaseException as error:
            self._end(politely=isinstance(error, EngineFailedError))
            raise
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._end(politely=error is None)

    def _end(self, *, politely: bool) -> None:
        with suppress(BrokenPipeError):
            self._stdin.close()
        if not politely:
            self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._closing.close()

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    def ask(self, batch: list[Json]) -> list[Json]:
        """Return the answers of a batch."""
        try:
            self._stdin.write(json.dumps(batch, ensure_ascii=False).encode() + b"\n")
            self._stdin.flush()
        except BrokenPipeError:
            raise self._failed() from None
        answers: list[Json] = self._read()
        return answers

    def _read(self) -> Any:
        line = self._results.readline()
        if not line:
            raise self._failed()
        return json.loads(line)

    def _failed(self) -> EngineFailedError:
        code = self._process.wait()
        log = self._log.read_text("utf-8", errors="replace")
        return EngineFailedError(
            Message(
                en=f"vLLM ended with exit code {code}. Last lines of {self._log}:\n{tail(log)}\n",
                zh=f"vLLM 退出了，退出码 {code}。{self._log} 的最后几行：\n{tail(log)}\n",
            ),
            hint=cause_of(log)
            or Message(
                en="What was answered is kept: run the command again to go on.",
                zh="已生成的结果保留着；再次运行命令即可继续。",
            ),
        )
