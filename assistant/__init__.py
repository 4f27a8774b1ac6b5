"""Answer one question with sources: `from assistant import Assistant`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assistant.assistant import Assistant
    from assistant.events import Answer, AnswerEvent, Citation, Turn
    from assistant.settings import AnswerSettings, LlmSettings

__all__ = ["Answer", "AnswerEvent", "AnswerSettings", "Assistant", "Citation", "LlmSettings", "Turn"]

_HOMES = {
    "Assistant": "assistant.assistant",
    "Answer": "assistant.events",
    "AnswerEvent": "assistant.events",
    "Citation": "assistant.events",
    "Turn": "assistant.events",
    "AnswerSettings": "assistant.settings",
    "LlmSettings": "assistant.settings",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `import assistant.events` stays cheap."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'assistant' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
