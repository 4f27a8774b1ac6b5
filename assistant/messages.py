"""Our turns as LangChain's messages, and back (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from assistant.events import Role, Turn

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

_ROLES: dict[str, Role] = {"system": "system", "human": "user", "ai": "assistant"}


def to_messages(turns: Sequence[Turn]) -> list[BaseMessage]:
    """Return one message for each turn, in their order."""
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    classes: dict[Role, type[BaseMessage]] = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
    return [classes[turn.role](content=turn.text) for turn in turns]


def to_turns(messages: Sequence[BaseMessage]) -> tuple[Turn, ...]:
    """Return one turn for each message, in their order; of content in parts, the text.

    Raises:
        ValueError: If a message is neither the system's, the user's nor the assistant's: a turn has no tool's result.
    """
    return tuple(Turn(_role(message), message.text) for message in messages)


def _role(message: BaseMessage) -> Role:
    # A streamed message is of type `AIMessageChunk`, and a `ChatMessage` names its role as the server does.
    kind = "ai" if message.type == "AIMessageChunk" else message.type
    if kind not in _ROLES:
        raise ValueError(f"A message of type {message.type!r} is no turn of a conversation: {sorted(_ROLES)} are.")
    return _ROLES[kind]
