"""Answer one question with sources: `from assistant import Assistant`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assistant.assistant import Assistant
    from assistant.chat_model import ChatHuozi
    from assistant.events import Answer, AnswerEvent, Citation, Turn
    from assistant.settings import AnswerSettings, LlmSettings

__all__ = ["Answer", "AnswerEvent", "AnswerSettings", "Assistant", "ChatHuozi", "Citation", "LlmSettings", "Turn"]

_HOMES = {
    "Assistant": "assistant.assistant",
    "ChatHuozi": "assistant.chat_model",
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
