"""A conversation -> the text that the model reads, by the template file that the model server uses too.

Jinja is set up as transformers sets it up (sandbox, `trim_blocks`, `lstrip_blocks`, `tojson` that leaves Chinese as
it is, `raise_exception`), and messages are prepared as vLLM prepares them, so all three give the same text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import prompts
from assistant.errors import ChatTemplateError, chat_template_refused
from retrieval.errors import Message

if TYPE_CHECKING:
    import jinja2

__all__ = ["ChatTemplateError", "render"]


def render(
    messages: Sequence[Mapping[str, Any]],
    *,
    tools: Sequence[Mapping[str, Any]] | None = None,
    template: str | Path = "huozi",
    add_generation_prompt: bool = True,
) -> str:
    """Return the text that a model server makes of a conversation, without a BOS token.

    Args:
        messages: As in the OpenAI protocol: `role`, `content` (text or a list of text parts), `tool_calls`, ...
        tools: Definitions, as in the OpenAI protocol.
        template: Name of a file `prompts/NAME.jinja`, or the path of another template.
        add_generation_prompt: Whether to open the model's turn at the end.

    Raises:
        ChatTemplateError: What the model cannot take: no message, an unknown role, a part that is not text; or there is
            no such template, or it is broken.
    """
    import jinja2

    compiled = _compile(_source(template))
    try:
        return compiled.render(
            messages=[_prepared(message) for message in messages],
            tools=[dict(tool) for tool in tools] if tools else None,
            add_generation_prompt=add_generation_prompt,
        )
    except jinja2.TemplateError as error:
        raise chat_template_refused(_told(str(error))) from error
    except (TypeError, ValueError) as error:
        raise chat_template_refused(
            Message(
                en=f"A message or tool is not what the OpenAI protocol says: {error}.",
                zh=f"有消息或工具不符合 OpenAI 协议：{error}。",
            )
        ) from error


def _source(template: str | Path) -> str:
    try:
        return template.read_text(encoding="utf-8") if isinstance(template, Path) else prompts.chat_template(template)
    except (OSError, UnicodeDecodeError, prompts.PromptError) as error:
        raise chat_template_refused(
            Message(
                en=f"The chat template {str(template)!r} cannot be read: {error}.",
                zh=f"无法读取对话模板 {str(template)!r}：{error}。",
            )
        ) from error


@lru_cache(maxsize=16)
def _compile(source: str) -> jinja2.Template:
    import jinja2

    try:
        return _environment().from_string(source)
    except jinja2.TemplateError as error:
        raise chat_template_refused(
            Message(en=f"The chat template is broken: {error}.", zh=f"对话模板有错误：{error}。")
        ) from error


@cache
def _environment() -> jinja2.Environment:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise_exception(message: str) -> NoReturn:
    import jinja2

    raise jinja2.TemplateError(message)


def _told(text: str) -> Message:
    """Read a template's complaint: English, and Chinese on the next line."""
    en, _, zh = text.partition("\n")
    return Message(en=en, zh=zh or en)


def _prepared(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message with the arguments of its tool calls as objects."""
    prepared = dict(message)
    calls = prepared.get("tool_calls")
    if isinstance(calls, Sequence) and not isinstance(calls, str):
        prepared["tool_calls"] = [_with_object(call) for call in calls]
    return prepared


def _with_object(call: Any) -> dict[str, Any]:
    function = dict(call).get("function")
    if not isinstance(function, Mapping):
        return dict(call)
    return {**call, "function": {**function, "arguments": _object(function.get("arguments"))}}


def _object(arguments: Any) -> dict[str, Any]:
    """Return the arguments as an object; an earlier call that cannot be read must not end the conversation."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except json.JSONDecodeError:
            return {}
    return dict(arguments) if isinstance(arguments, Mapping) else {}
