"""Read a request's JSON body, within limits."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from api.errors import RequestError, RequestTooLargeError, invalid_field
from retrieval.errors import Message

MAX_JSON_BYTES = 8 * 1024 * 1024
"""Twenty times the longest question in any script, with its history."""

Schema = TypeVar("Schema", bound=BaseModel)


async def read_json(request: Request) -> dict[str, Any]:
    """Return the body's JSON object.

    Raises:
        RequestTooLargeError: If it is longer than MAX_JSON_BYTES.
        RequestError: If it is no JSON object.
    """
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_JSON_BYTES:
            limit = MAX_JSON_BYTES // 1024 // 1024
            raise RequestTooLargeError(
                Message(en=f"The request is larger than {limit} MB.", zh=f"请求超过 {limit} MB。"),
            )
        parts.append(part)
    data = b"".join(parts)
    try:
        value = json.loads(data)
        if b"\\u" in data:
            # Half of a surrogate pair is legal JSON and no text: nothing behind us could encode it.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as exc:
        raise RequestError(
            Message(en="The request's body is not valid JSON.", zh="请求体不是有效的 JSON。"),
        ) from exc
    if not isinstance(value, dict):
        raise RequestError(Message(en="The request's body must be a JSON object.", zh="请求体应是一个 JSON 对象。"))
    return value


def parse(schema: type[Schema], value: dict[str, Any]) -> Schema:
    """Return the body as a schema.

    Raises:
        RequestError: Naming the first field that does not fit.
    """
    try:
        return schema.model_validate(value)
    except ValidationError as exc:
        raise invalid_field(dict(exc.errors(include_url=False, include_context=False)[0])) from exc
