"""A prompt that does not fit into the server's window: found by the server, said in numbers, with what to cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import openai
from langchain_core.exceptions import ContextOverflowError

from assistant.errors import PromptTooLongError
from assistant.token_counter import Part
from retrieval.errors import Message

_LARGEST = 2
_LEAST_SHARE = 0.1
_LLAMA_CPP = "exceed_context_size_error"
_WORDS = (
    "context_length_exceeded",
    "prompt is too long",
    "ContextWindowExceededError",
    "Input tokens exceed the configured limit",
)


class PromptOverflowError(PromptTooLongError, ContextOverflowError):
    """A prompt does not fit into the window; LangChain's agents know it as `ContextOverflowError`.

    Args:
        message: How much too long it is.
        hint: What to cut.
        tokens: Tokens of the prompt, or None where the server cannot count.
        window: Prompt and answer together, or None.
    """

    def __init__(self, message: Message, *, hint: Message, tokens: int | None, window: int | None) -> None:
        super().__init__(message, hint=hint)
        self.tokens = tokens
        self.window = window


def is_overflow(error: openai.BadRequestError) -> bool:
    """Say whether a server refused a prompt for its length: vLLM, llama.cpp, or OpenAI's own words."""
    is_known = error.param == "input_tokens" or error.type == _LLAMA_CPP or isinstance(error, ContextOverflowError)
    return is_known or any(words in str(error) for words in _WORDS)


def overflow(
    error: openai.BadRequestError | None,
    counts: Sequence[tuple[Part, int]],
    *,
    tokens: int | None = None,
    window: int | None = None,
    answer_tokens: int = 0,
) -> PromptOverflowError:
    """Build the error.

    Args:
        error: The server's; None where the prompt was counted before it was sent.
        counts: Tokens of each part of the prompt; empty where the server cannot count.
        tokens: Tokens of the whole prompt, if known.
        window: The server's window, if known.
        answer_tokens: What was asked for the answer; 0 where nothing was.
    """
    body = error.body if error is not None and isinstance(error.body, Mapping) else {}
    tokens = tokens or body.get("n_prompt_tokens")
    window = window or body.get("n_ctx")
    if tokens is None or window is None:
        said = " ".join(error.message.split())[:300] if error is not None else ""
        message = Message(
            en=f"The prompt does not fit into the model's window: {said}", zh=f"提示词放不进模型的窗口：{said}"
        )
        return PromptOverflowError(message, hint=_hint(counts, None), tokens=tokens, window=window)
    kept_en = f" and {answer_tokens:,} are asked for the answer" if answer_tokens else ""
    kept_zh = f"，回答还要 {answer_tokens:,} 个" if answer_tokens else ""
    message = Message(
        en=f"The prompt has {tokens:,} tokens{kept_en}; the model's window holds {window:,}.",
        zh=f"提示词有 {tokens:,} 个词元{kept_zh}；模型的窗口只能放 {window:,} 个。",
    )
    # At least one token must be free for the answer.
    over = tokens + max(answer_tokens, 1) - window
    return PromptOverflowError(message, hint=_hint(counts, max(over, 1)), tokens=tokens, window=window)


def _hint(counts: Sequence[tuple[Part, int]], over: int | None) -> Message:
    at_least = (f" at least {over:,} tokens", f"至少 {over:,} 个词元") if over else ("", "一些内容")
    least = _LEAST_SHARE * sum(count for _, count in counts)
    numbered = [(number, part, count) for number, (part, count) in enumerate(counts, 1) if count >= least]
    largest = sorted(numbered, key=lambda one: -one[2])[:_LARGEST]
    en = "; ".join(f"{_name(number, part)[0]} holds {count:,}" for number, part, count in largest)
    zh = "；".join(f"{_name(number, part)[1]}占 {count:,} 个" for number, part, count in largest)
    return Message(
        en=f"Cut{at_least[0]}, from what is longest{f': {en}' if en else ''}.",
        zh=f"请删去{at_least[1]}，先删最长的{f'：{zh}' if zh else ''}。",
    )


def _name(number: int, part: Part) -> tuple[str, str]:
    role = part.messages[0]["role"]
    if part.tools:
        return f"the system turn with {len(part.tools)} tools", f"系统消息连同 {len(part.tools)} 个工具"
    return f"turn {number} ({role})", f"第 {number} 轮（{role}）"
