"""What the server said -> LangChain's chunks and results (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from assistant.tool_arguments import StreamedCalls, marked_unless_object, sorted_calls

_TEXT_KEYS = ({"content"}, {"role", "content"})

Json = dict[str, Any]


def plain_text(chunk: Json) -> str | None:
    """Return the text of a chunk that holds nothing else, as nearly all do."""
    choices = chunk.get("choices")
    if not choices or len(choices) != 1 or chunk.get("usage"):
        return None
    choice = choices[0]
    delta = choice.get("delta")
    if not delta or choice.get("finish_reason") or choice.get("logprobs") or delta.keys() not in _TEXT_KEYS:
        return None
    text = delta["content"]
    return text if isinstance(text, str) else None


def text_chunk(text: str) -> ChatGenerationChunk:
    """Build what the parent builds, without validating what is known to be valid: most of what a token costs."""
    # Every field by name: pydantic looks a missing one's default up anew each time, at ten times the price.
    message = AIMessageChunk.model_construct(
        {"content", "response_metadata"},
        content=text,
        additional_kwargs={},
        response_metadata={"model_provider": "openai"},
        type="AIMessageChunk",
        name=None,
        id=None,
        tool_calls=[],
        invalid_tool_calls=[],
        usage_metadata=None,
        tool_call_chunks=[],
        chunk_position=None,
    )
    return ChatGenerationChunk.model_construct(
        {"message"}, text=text, generation_info=None, type="ChatGenerationChunk", message=message
    )


def as_assistant(reply: Json, part: str) -> Json:
    """Return the reply with the role `assistant`, the only one LangChain knows; vLLM says its --response-role, 助手.

    Args:
        reply: A completion or a chunk of one.
        part: Where its choices keep what was said: `message` or `delta`.
    """
    for choice in reply.get("choices") or ():
        if said := choice.get(part):
            said["role"] = "assistant"
            for call in said.get("tool_calls") or () if part == "message" else ():
                call["function"]["arguments"] = marked_unless_object(call["function"]["arguments"])
    return reply


def follow(calls: StreamedCalls, chunk: ChatGenerationChunk) -> None:
    """Take the pieces of tool calls in a chunk."""
    if isinstance(chunk.message, AIMessageChunk) and chunk.message.tool_call_chunks:
        calls.add(chunk.message.tool_call_chunks)


def mark_chunk(index: Any, mark: str) -> ChatGenerationChunk:
    """Return the chunk that makes an invalid call of the one at `index`."""
    piece = tool_call_chunk(name=None, args=mark, id=None, index=index)
    return ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[piece]))


def with_sorted_calls(result: ChatResult, tools: Sequence[Any] | None) -> ChatResult:
    """Return the result with its tool calls checked against the schemas of `tools`."""
    for generation in result.generations:
        message = generation.message
        if isinstance(message, AIMessage) and (message.tool_calls or message.invalid_tool_calls):
            calls, invalid = sorted_calls(message.tool_calls, message.invalid_tool_calls, tools or ())
            message.tool_calls, message.invalid_tool_calls = calls, invalid
    return result
