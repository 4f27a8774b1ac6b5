"""The body of `POST /v1/chat/completions`, as far as answers from documents take it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.errors import RequestError
from assistant.events import Role, Turn
from retrieval.errors import Message


class TextPart(BaseModel):
    """One text part of a message's content."""

    type: Literal["text"]
    text: str


class OtherPart(BaseModel):
    """A part that is no text: an image, audio, a file."""

    model_config = ConfigDict(extra="allow")

    type: str


class ChatMessage(BaseModel):
    """One message of the conversation."""

    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Annotated[TextPart | OtherPart, Field(union_mode="left_to_right")]] | None = None


class StreamOptions(BaseModel):
    """Options of a stream."""

    include_usage: bool = False
    include_drafts: bool = False


class ChatRequest(BaseModel):
    """A question to the documents, in OpenAI's form; what is neither here nor refused has no effect."""

    model_config = ConfigDict(extra="allow")

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: int | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    stop: str | list[str] | None = None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with a chunk that holds the usage."""
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def wants_drafts(self) -> bool:
        """Whether a stream brings words before they are settled."""
        return self.stream_options is not None and self.stream_options.include_drafts

    @property
    def stops(self) -> list[str]:
        """Texts at which a generated answer ends."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []


ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}

PLAIN_FORMAT = {"type": "text"}


def unsupported(param: str, what: Message, *, hint: Message | None = None) -> RequestError:
    """Return the error for what answers from documents do not offer."""
    return RequestError(
        Message(
            en=f"{what.en} with the huozi-rag models.",
            zh=f"huozi-rag 模型{what.zh}。",
        ),
        hint=hint,
        param=param,
    )


def check_offered(request: ChatRequest) -> None:
    """Refuse what would otherwise be silently left out of the answer.

    Raises:
        RequestError: Naming the first such parameter.
    """
    extra: dict[str, Any] = request.model_extra or {}
    if request.n is not None and request.n != 1:
        raise unsupported("n", Message(en=f"n={request.n} is not possible", zh=f"不支持 n={request.n}"))
    for param in ("tools", "functions"):
        if extra.get(param):
            raise unsupported(
                param,
                Message(en=f"{param!r} cannot be used", zh=f"不支持 {param!r}"),
                hint=Message(en="Use the model 'huozi' for tool calls.", zh="工具调用请使用模型 'huozi'。"),
            )
    if extra.get("audio") or set(extra.get("modalities") or ["text"]) != {"text"}:
        raise unsupported("modalities", Message(en="Only text can be answered", zh="只输出文本"))
    if (extra.get("response_format") or PLAIN_FORMAT) != PLAIN_FORMAT:
        raise unsupported(
            "response_format",
            Message(en="'response_format' cannot be used", zh="不支持 'response_format'"),
            hint=Message(en="Use the model 'huozi'.", zh="请使用模型 'huozi'。"),
        )
    if extra.get("logprobs"):
        raise unsupported("logprobs", Message(en="'logprobs' are not available", zh="不提供 'logprobs'"))


def text_of(message: ChatMessage, index: int) -> str:
    """Return a message's text; parts are joined by line ends.

    Raises:
        RequestError: If a part is no text.
    """
    if message.content is None or isinstance(message.content, str):
        return message.content or ""
    texts = []
    for part in message.content:
        if not isinstance(part, TextPart):
            raise unsupported(
                f"messages[{index}].content",
                Message(
                    en=f"Content of type {part.type!r} cannot be read",
                    zh=f"不支持 {part.type!r} 类型的内容",
                ),
            )
        texts.append(part.text)
    return "\n".join(texts)


def turns(messages: list[ChatMessage]) -> list[Turn]:
    """Return the conversation; the last turn is the question.

    Raises:
        RequestError: If it holds tool messages or parts that are no text, or does not end with the user.
    """
    result = []
    for index, message in enumerate(messages):
        role = ROLES.get(message.role)
        if role is None:
            raise unsupported(
                f"messages[{index}].role",
                Message(
                    en=f"Messages of role {message.role!r} cannot be used", zh=f"不支持 {message.role!r} 角色的消息"
                ),
            )
        result.append(Turn(role, text_of(message, index)))
    if result[-1].role != "user":
        raise RequestError(
            Message(
                en=f"The last message must be the user's question, not of role {messages[-1].role!r}.",
                zh=f"最后一条消息应是用户的问题，而不是 {messages[-1].role!r} 角色的消息。",
            ),
            param=f"messages[{len(messages) - 1}].role",
        )
    return result
