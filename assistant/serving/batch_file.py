"""A batch's files: JSON lines in, JSON lines out, an answer for each id."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assistant.errors import ChatTemplateError
from assistant.serving.errors import BatchFileError
from assistant.template import render
from retrieval.errors import Message

SHOWN = 5
"""Bad lines named in a message."""
SAMPLING = {"max_tokens": int, "temperature": float, "top_p": float, "seed": int, "stop": list}
"""What a line may ask for itself, and its type."""

Json = dict[str, Any]


@dataclass(frozen=True)
class BatchRequest:
    """One line of a batch.

    Args:
        id: Unique in the batch.
        messages: As in the OpenAI protocol.
        sampling: What this line asks for itself.
    """

    id: str
    messages: list[Json]
    sampling: Json = field(default_factory=dict)


def read_requests(path: Path, template: str | Path) -> list[BatchRequest]:
    """Read and check a whole batch before a model is loaded.

    Args:
        path: Lines of `{"id", "messages"}` or `{"id", "prompt"}`; a line without id is called by its number.
        template: The chat template that must be able to render each line.

    Raises:
        BatchFileError: With the first bad lines, all of them counted.
    """
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as exc:
        reason = getattr(exc, "strerror", None) or "not UTF-8"
        raise BatchFileError(
            Message(en=f"{str(path)!r} cannot be read: {reason}.", zh=f"无法读取 {str(path)!r}：{reason}。"),
            hint=Message(en="Give a file of JSON lines in UTF-8.", zh="请给出 UTF-8 编码、每行一个 JSON 的文件。"),
        ) from exc
    requests: dict[str, BatchRequest] = {}
    problems: list[tuple[int, Message]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            request = _request(json.loads(line), number, template)
        except (ValueError, ChatTemplateError) as exc:
            problems.append((number, _told(exc)))
            continue
        if request.id in requests:
            problems.append((number, Message(f"id {request.id!r} stands there twice", f"id {request.id!r} 重复")))
        requests[request.id] = request
    if problems:
        raise _bad_lines(path, problems)
    return list(requests.values())


def read_results(path: Path) -> dict[str, Json]:
    """Return the results that an earlier run left, by id; a line that it could not finish is dropped."""
    found: dict[str, Json] = {}
    if not path.exists():
        return found
    for line in path.read_text("utf-8", errors="replace").split("\n"):
        try:
            result = json.loads(line)
        except ValueError:
            continue
        if isinstance(result, dict) and isinstance(result.get("id"), str):
            found[result["id"]] = result
    return found


def write_results(path: Path, requests: Sequence[BatchRequest], results: Mapping[str, Json]) -> None:
    """Write the results in the order of the requests, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(lines_of(results[one.id] for one in requests if one.id in results), "utf-8")
    draft.replace(path)


def lines_of(results: Iterable[Json]) -> str:
    """Return results as JSON lines."""
    return "".join(json.dumps(result, ensure_ascii=False) + "\n" for result in results)


def _request(value: Any, number: int, template: str | Path) -> BatchRequest:
    if not isinstance(value, dict):
        raise _problem("is not an object", "不是 JSON 对象")
    given = {"messages", "prompt"} & value.keys()
    if len(given) != 1:
        raise _problem("needs either messages or prompt", "需要 messages 或 prompt 之一")
    messages = value.get("messages", [{"role": "user", "content": value.get("prompt")}])
    if not isinstance(messages, list) or not all(isinstance(one, dict) for one in messages):
        raise _problem("messages is not a list of objects", "messages 不是对象列表")
    if "prompt" in value and not isinstance(value["prompt"], str):
        raise _problem("prompt is not text", "prompt 不是文本")
    render(messages, template=template)
    id = value.get("id", f"line-{number}")
    sampling = {name: value[name] for name in SAMPLING if value.get(name) is not None}
    for name, chosen in sampling.items():
        allowed = (int, float) if SAMPLING[name] is float else SAMPLING[name]
        if not isinstance(chosen, allowed) or isinstance(chosen, bool):
            raise _problem(f"{name} is {chosen!r}", f"{name} 不能是 {chosen!r}")
    return BatchRequest(str(id), messages, sampling)


class _ProblemError(ValueError):
    def __init__(self, message: Message) -> None:
        super().__init__(message.en)
        self.message = message


def _problem(en: str, zh: str) -> _ProblemError:
    return _ProblemError(Message(en=en, zh=zh))


def _told(error: Exception) -> Message:
    if isinstance(error, _ProblemError):
        return error.message
    if isinstance(error, ChatTemplateError):
        return Message(en=error.message.en.removesuffix("."), zh=error.message.zh.removesuffix("。"))
    return Message(en=f"is not JSON: {error}", zh=f"不是 JSON：{error}")


def _bad_lines(path: Path, problems: Sequence[tuple[int, Message]]) -> BatchFileError:
    more = len(problems) - SHOWN
    shown = problems[:SHOWN]
    return BatchFileError(
        Message(
            en=f"{str(path)!r} has {len(problems)} {'line' if len(problems) == 1 else 'lines'} that cannot be used: "
            + "; ".join(f"line {number}: {problem.en}" for number, problem in shown)
            + (f"; and {more} more." if more > 0 else "."),
            zh=f"{str(path)!r} 中有 {len(problems)} 行不能用："
            + "；".join(f"第 {number} 行：{problem.zh}" for number, problem in shown)
            + (f"；还有 {more} 行。" if more > 0 else "。"),
        ),
        hint=Message(
            en='Write a line each: {"id": "1", "messages": [{"role": "user", "content": "..."}]}, or with "prompt".',
            zh='每行写成 {"id": "1", "messages": [{"role": "user", "content": "..."}]}，或用 "prompt"。',
        ),
    )
