"""An OpenAI-compatible server that can think by rule: a real socket, vLLM's wire format, no model.

    with ScriptedOpenAI() as server:
        model = ChatHuozi(base_url=server.base_url)
        ...
        server.requests[-1]["tools"]

What a random model cannot do, it can: call the tool that fits, fill a JSON schema, quote the sentence that answers a
question. What it says is in scripted_replies.py; this file is how vLLM 0.32 says it (tests/integration/vllm compares).
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator

from tests.loopback import JsonHandler, LoopbackServer
from tests.schema_instance import NoInstanceError
from tests.scripted_replies import Call, Json, Reply, prompt_tokens, reply_to, tokens


class Refusal(Exception):
    """An error reply as vLLM writes it.

    Args:
        status: HTTP status.
        message: For people.
        kind: Its `type`.
        param: What was wrong.
    """

    def __init__(self, status: int, message: str, kind: str = "BadRequestError", param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {"error": {"message": message, "type": kind, "param": param, "code": status}}


class ScriptedOpenAI(LoopbackServer):
    """The server; use it with `with`.

    Args:
        model: The served name.
        aliases: Further served names.
        role: Role of replies; 助手 is what vLLM says when it is started as the model's README does.
        window: Prompt and answer together, in tokens.
        failures: HTTP statuses that the next requests get, one each.
        pace_s: Silence before each token, in seconds.
        cached_tokens: What it says its prefix cache served, as with --enable-prompt-tokens-details; None says nothing.

    Attributes:
        requests: Bodies of all chat completions received, refused ones included.
        closed_by_client: Set when a client closed its stream before the end.
    """

    def __init__(
        self,
        *,
        model: str = "huozi",
        aliases: Iterable[str] = (),
        role: str = "助手",
        window: int = 32_768,
        failures: Iterable[int] = (),
        pace_s: float = 0.0,
        cached_tokens: int | None = None,
    ) -> None:
        super().__init__(type("Handler", (_Handler,), {"scripted": self}))
        self.model = model
        self.names = (model, *aliases)
        self.role = role
        self.window = window
        self.failures = list(failures)
        self.pace_s = pace_s
        self.cached_tokens = cached_tokens
        self.requests: list[Json] = []
        self.closed_by_client = threading.Event()
        self._ids = itertools.count(1)

    def answer(self, body: Json) -> Reply:
        """Return the reply to a chat completion.

        Raises:
            Refusal: As vLLM refuses it.
        """
        self.requests.append(body)
        if self.failures:
            status = self.failures.pop(0)
            raise Refusal(status, "scripted failure", "InternalServerError" if status >= 500 else "BadRequestError")
        name = body.get("model")
        if name is not None and name not in self.names:
            known = ", ".join(self.names)
            raise Refusal(404, f"The model `{name}` does not exist. Valid aliases: {known}.", "NotFoundError", "model")
        if not body["messages"]:
            raise Refusal(400, "Cannot apply chat template to an empty conversation. Provide at least one message.")
        _check_tools(body)
        _check_parts(body, self.model)
        self._check_window(body)
        try:
            return reply_to(body)
        except NoInstanceError as error:
            raise Refusal(400, str(error)) from error

    def next_id(self) -> int:
        """Return a number that no other call has got."""
        return next(self._ids)

    def _check_window(self, body: Json) -> None:
        if prompt_tokens(body) > self.window:
            # vLLM stops counting one beyond the window, and shortens max_tokens where prompt and answer do not fit.
            raise Refusal(
                400,
                f"This model's maximum context length is {self.window} tokens. However, your prompt contains at least "
                f"{self.window + 1} input tokens, which exceeds this limit even without any output tokens. Please "
                f"reduce the length of the input prompt. (parameter=input_tokens, value={self.window + 1})",
                param="input_tokens",
            )
        wanted = body.get("max_completion_tokens") or body.get("max_tokens") or 0
        if wanted > self.window:
            raise Refusal(
                400,
                f"max_tokens={wanted} cannot be greater than max_model_len={self.window}. Please request fewer output "
                f"tokens. (parameter=max_tokens, value={wanted})",
                param="max_tokens",
            )


def _check_tools(body: Json) -> None:
    choice, tools = body.get("tool_choice"), body.get("tools")
    if tools == []:
        raise Refusal(400, "`tools` must not be an empty array.", param="tools")
    if choice in (None, "none"):
        return
    if tools is None:
        raise Refusal(400, "When using `tool_choice`, `tools` must be set.", param="tool_choice")
    if isinstance(choice, dict):
        if choice["function"]["name"] not in [tool["function"]["name"] for tool in tools]:
            message = "The tool specified in `tool_choice` does not match any of the specified `tools`"
            raise Refusal(400, message, param="tool_choice")
    elif choice not in ("auto", "required"):
        raise Refusal(400, f"Invalid value for `tool_choice`: {choice}!", param="tool_choice")


def _check_parts(body: Json, model: str) -> None:
    for turn in body["messages"]:
        for part in turn["content"] if isinstance(turn.get("content"), list) else ():
            if part.get("type") != "text":
                raise Refusal(400, f"{model} is not a multimodal model")


class _Handler(JsonHandler):
    scripted: ScriptedOpenAI

    def do_GET(self) -> None:
        server = self.scripted
        listed = [
            {"id": name, "object": "model", "owned_by": "vllm", "max_model_len": server.window} for name in server.names
        ]
        found: dict[str, Json] = {"/v1/models": {"object": "list", "data": listed}, "/health": {}}
        self.reply(200 if self.path in found else 404, found.get(self.path, {"detail": "Not Found"}))

    def do_POST(self) -> None:
        body = self.read_json()
        if self.path == "/tokenize":
            self.reply(200, self._tokenized(body))
        elif self.path != "/v1/chat/completions":
            self.reply(404, {"detail": "Not Found"})
        else:
            try:
                answered = self.scripted.answer(body)
            except Refusal as refusal:
                self.reply(refusal.status, refusal.body)
                return
            self._answer(body, answered)

    def _tokenized(self, body: Json) -> Json:
        count = prompt_tokens(body) if "messages" in body else len(tokens(body["prompt"]))
        return {"count": count, "max_model_len": self.scripted.window, "tokens": [0] * count, "token_strs": None}

    def _answer(self, body: Json, answered: Reply) -> None:
        number = self.scripted.next_id()
        envelope = {"id": f"chatcmpl-{number:032x}", "created": 1_764_000_000, "model": body.get("model", "huozi")}
        usage = _usage(body, answered, self.scripted.cached_tokens)
        if not body.get("stream"):
            message = _message(answered, self.scripted, forced=body.get("tool_choice") not in (None, "auto", "none"))
            choice = {"index": 0, "message": message, "logprobs": None, **_end(answered)}
            self.reply(200, {**envelope, "object": "chat.completion", "choices": [choice], "usage": usage})
            return
        chunk = {**envelope, "object": "chat.completion.chunk"}
        self.begin_stream()
        try:
            for choice in _stream(answered, self.scripted):
                self.stay_silent(self.scripted.pace_s, self.scripted.stopping)
                self.event({**chunk, "choices": [{"index": 0, "logprobs": None, **choice}]})
            if (body.get("stream_options") or {}).get("include_usage"):
                self.event({**chunk, "choices": [], "usage": usage})
            self.end_stream()
        except OSError:
            self.scripted.closed_by_client.set()
            self.close_connection = True


def _usage(body: Json, answered: Reply, cached_tokens: int | None) -> Json:
    prompt = prompt_tokens(body)
    told = {} if cached_tokens is None else {"prompt_tokens_details": {"cached_tokens": cached_tokens}}
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answered.tokens,
        "total_tokens": prompt + answered.tokens,
        **told,
    }


def _end(answered: Reply) -> Json:
    return {"finish_reason": answered.finish_reason, "stop_reason": answered.stop_reason}


def _message(answered: Reply, server: ScriptedOpenAI, *, forced: bool) -> Json:
    calls = [{"id": _call_id(server), "type": "function", "function": vars(call)} for call in answered.calls]
    message = {"role": server.role, "content": answered.text or ("" if forced else None), "refusal": None}
    return message | ({"tool_calls": calls} if calls else {})


def _call_id(server: ScriptedOpenAI) -> str:
    return f"chatcmpl-tool-{server.next_id():016x}"


def _stream(answered: Reply, server: ScriptedOpenAI) -> Iterator[Json]:
    yield {"delta": {"role": server.role, "content": ""}, "finish_reason": None}
    for piece in tokens(answered.text):
        yield {"delta": {"content": piece}, "finish_reason": None}
    for index, call in enumerate(answered.calls):
        for delta in _call_deltas(call, _call_id(server)):
            yield {"delta": {"content": None, "tool_calls": [{"index": index, **delta}]}, "finish_reason": None}
    yield {"delta": {}, **_end(answered)}


def _call_deltas(call: Call, call_id: str) -> Iterator[Json]:
    yield {"id": call_id, "type": "function", "function": {"name": call.name}}
    for piece in tokens(call.arguments):
        yield {"function": {"arguments": piece}}
