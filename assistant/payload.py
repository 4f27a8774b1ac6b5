"""A request as LangChain builds it -> as huozi's servers take it (pure)."""

from __future__ import annotations

import json
from typing import Any

from assistant.serving.profile import Profile
from assistant.structured_output import response_format
from assistant.tool_arguments import as_strict, plain_arguments
from assistant.window.bound import token_bound

Json = dict[str, Any]

_AROUND, _TOOLS = 32, 1_024
"""More tokens than a chat template adds to a message, and than it says about tools."""


def for_server(payload: Json, profile: Profile, *, send_stop_ids: bool) -> Json:
    """Return the payload of a chat completion, changed in place.

    Args:
        payload: What the parent class would send.
        profile: Whose turns end the answer.
        send_stop_ids: Whether the server takes `stop_token_ids`.
    """
    if "max_completion_tokens" in payload:  # the name that ChatOpenAI has for it, and not every server
        payload["max_tokens"] = payload.pop("max_completion_tokens")
    extra = payload["extra_body"] = dict(payload.get("extra_body") or {})
    if wanted := payload.pop("response_format", None):
        # Out of the SDK's sight: for a schema it goes another way, which parses every event by itself.
        extra["response_format"] = response_format(wanted)
    if payload.get("tools"):
        payload["tools"] = list(map(as_strict, payload["tools"]))
    _add_stops(payload, profile, send_ids=send_stop_ids)
    for message in payload["messages"]:
        for call in message.get("tool_calls") or ():
            call["function"]["arguments"] = plain_arguments(call["function"]["arguments"])
    return payload


def prompt_bound(payload: Json) -> int:
    """Return an upper bound of the tokens of a payload's prompt, by the bytes that are sent and what templates add."""
    said = [payload["messages"], *([payload["tools"]] if payload.get("tools") else [])]
    text = json.dumps(said, ensure_ascii=False, default=str)
    return token_bound(text) + _AROUND * (1 + len(payload["messages"])) + _TOOLS * bool(payload.get("tools"))


def _add_stops(payload: Json, profile: Profile, *, send_ids: bool) -> None:
    """Let the answer end where the profile's turns end, beside what the caller asks for."""
    extra = payload["extra_body"]
    asked = [*extra.pop("stop_token_ids", ()), *payload.pop("stop_token_ids", ())]
    if send_ids:
        extra["stop_token_ids"] = list(dict.fromkeys([*profile.stop_token_ids, *asked]))
    if profile.stop:
        stop = payload.get("stop") or ()
        payload["stop"] = list(dict.fromkeys([*([stop] if isinstance(stop, str) else stop), *profile.stop]))
