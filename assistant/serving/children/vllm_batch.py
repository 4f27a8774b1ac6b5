"""Answers a batch with vLLM's Python API. Run by `assistant/serving/batch.py` in vLLM's own environment.

Reads a job from the file that is its argument: `{"engine": {...}, "template": TEXT}`. Then for each line of
requests on stdin, `[{"id", "messages", "sampling"}, ...]`, a line of results on the file descriptor that is the
second argument, until stdin ends.
vLLM writes to stdout and stderr as it likes.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

Json = dict[str, Any]


def main() -> None:
    """Load the model, then answer line after line."""
    from vllm import LLM

    with open(sys.argv[1], encoding="utf-8") as file:
        job: Json = json.load(file)
    results = os.fdopen(int(sys.argv[2]), "w", encoding="utf-8")
    model = LLM(**job["engine"])
    tell(results, {"ready": True})
    for line in sys.stdin:
        tell(results, answer(model, json.loads(line), job["template"]))


def answer(model: Any, requests: list[Json], template: str) -> list[Json]:
    """Return a result for each request, in their order; one that vLLM refuses does not stop the others."""
    refusals = _refusals()
    try:
        return _answer_all(model, requests, template)
    except refusals:
        # vLLM refuses the whole batch for one prompt: find it.
        return [_answer_one(model, request, template, refusals) for request in requests]


def _refusals() -> tuple[type[Exception], ...]:
    """Return what vLLM raises for a request that it cannot take; its own family need not be ValueError."""
    from vllm import exceptions

    return (ValueError, getattr(exceptions, "VLLMClientError", ValueError))


def _answer_one(model: Any, request: Json, template: str, refusals: tuple[type[Exception], ...]) -> Json:
    try:
        return _answer_all(model, [request], template)[0]
    except refusals as error:
        return {"id": request["id"], "error": str(error).splitlines()[0]}


def _answer_all(model: Any, requests: list[Json], template: str) -> list[Json]:
    from vllm import SamplingParams

    outputs = model.chat(
        [request["messages"] for request in requests],
        [SamplingParams(**request["sampling"]) for request in requests],
        use_tqdm=False,
        chat_template=template,
        chat_template_content_format="string",
    )
    return [_result(request["id"], output) for request, output in zip(requests, outputs, strict=True)]


def _result(id: str, output: Any) -> Json:
    made = output.outputs[0]
    prompt, completion = len(output.prompt_token_ids), len(made.token_ids)
    return {
        "id": id,
        "text": made.text,
        "finish_reason": made.finish_reason,
        "usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion},
    }


def tell(results: Any, value: Any) -> None:
    """Write one line."""
    results.write(json.dumps(value, ensure_ascii=False) + "\n")
    results.flush()


if __name__ == "__main__":
    main()
