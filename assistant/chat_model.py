"""`ChatHuozi`: huozi behind an OpenAI-compatible server, as a LangChain chat model.

It is langchain-openai's class; what is overridden here is what differs, and docs/chat-model.md says why.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from functools import cached_property
from typing import Any, Self

import openai
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LangSmithParams, LanguageModelInput, ModelProfile
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.runnables.config import run_in_executor
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_openai.chat_models.base import BaseChatOpenAI
from pydantic import Field, model_validator

from assistant.context_overflow import PromptOverflowError, is_overflow, overflow
from assistant.control_tokens import neutralise
from assistant.errors import TokenizeUnsupportedError, no_model_server, tokenize_unsupported
from assistant.events import Turn
from assistant.gathering import gathered
from assistant.messages import to_messages
from assistant.payload import for_server, prompt_bound
from assistant.raw_stream import AsyncCompletions, Completions
from assistant.replies import as_assistant, follow, mark_chunk, plain_text, text_chunk, with_sorted_calls
from assistant.serving.profile import Profile, load_profile
from assistant.settings import UNSET_KEY, LlmSettings
from assistant.structured_output import Method, structured
from assistant.token_counter import TokenCounter
from assistant.tool_arguments import StreamedCalls

_IF_SET = {"temperature", "max_tokens", "window_tokens"}
_ALIASES = {
    "model": "model_name",
    "base_url": "openai_api_base",
    "api_key": "openai_api_key",
    "timeout": "request_timeout",
}

Json = dict[str, Any]


class ChatHuozi(BaseChatOpenAI):
    """huozi as a LangChain chat model; agents, chains and callbacks take it as it is.

    Takes what `ChatOpenAI` takes. What is left out comes from `HUOZI_LLM__*`: address, key, model, profile, time-outs
    and retries; temperature and max_tokens where they are set there.

    Args:
        model: The served model's name.
        base_url: An OpenAI-compatible server, usually ending in `/v1`.
        api_key: Its key, if it wants one.
        huozi_profile: Profile of the model, for stop ids and window: see `huozi model list`.
        send_stop_ids: Whether to send the stop ids: no for servers that refuse fields of vLLM's (`transformers serve`).
        window_tokens: Most tokens of prompt and answer together, where they shall be fewer than the server's window.
        checks_window: Whether a prompt that might leave too little room for `max_tokens` is counted before it is sent,
            and refused; no for callers that have counted it.

    Raises:
        SettingsError: Without an address.
        ProfileError: If the profile is unknown or cannot be read.

    Source: langchain-openai's `BaseChatOpenAI`, whose hooks are overridden.
    """

    model_name: str = Field(default="huozi", alias="model")
    stream_usage: bool | None = True
    stream_chunk_timeout: float | None = Field(default=None, exclude=True)
    """Longest wait for the next chunk, in seconds; None: `timeout` alone bounds the server's silence."""
    use_responses_api: bool | None = False
    huozi_profile: str = "huozi3.5"
    send_stop_ids: bool = True
    window_tokens: int | None = None
    checks_window: bool = True

    @model_validator(mode="before")
    @classmethod
    def _fill_from_environment(cls, values: Any) -> Any:
        settings = LlmSettings.from_environment()
        filled: Json = {
            "model": settings.model,
            "base_url": settings.base_url,
            "api_key": settings.api_key or UNSET_KEY,
            "timeout": settings.timeouts,
            "max_retries": settings.max_retries,
            "huozi_profile": settings.profile,
            "send_stop_ids": settings.send_stop_ids,
        }
        filled |= {name: getattr(settings, name) for name in _IF_SET & settings.model_fields_set}
        given = {name: value for name, value in values.items() if value is not None or name not in filled}
        if "max_completion_tokens" in given:
            given["max_tokens"] = given.pop("max_completion_tokens")
        missing = {name: value for name, value in filled.items() if not given.keys() & {name, _ALIASES.get(name)}}
        if missing.get("base_url", "") is None:
            raise no_model_server()
        return {**missing, **given}

    @model_validator(mode="after")
    def _read_streams_as_json(self) -> Self:
        _ = self.served  # an unknown profile fails here, not at the first request
        if self.root_client is not None:
            self.client = Completions(self.root_client)
        self.async_client = AsyncCompletions(self.root_async_client, is_shared=self.http_async_client is not None)
        return self

    async def aclose(self) -> None:
        """Close the running event loop's connections; the next request opens new ones.

        Not needed at the end of a loop that asyncio.run made: that closes them.
        """
        await self.async_client.aclose()

    # --- what is sent ---

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        payload = super()._get_request_payload(input_, stop=stop, **kwargs)
        return for_server(payload, self.served, send_stop_ids=self.send_stop_ids)

    # --- what comes back ---

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        self._check_room(messages, kwargs)
        calls = StreamedCalls(kwargs.get("tools") or ())
        try:
            for chunk in super()._stream(messages, stop, run_manager, **kwargs):
                follow(calls, chunk)
                yield chunk
        except openai.BadRequestError as error:
            if not is_overflow(error):
                raise
            raise self._overflow(error, messages, kwargs) from error
        for index, mark in calls.marks():
            yield mark_chunk(index, mark)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        if self._may_overflow(messages, kwargs):
            await run_in_executor(None, self._check_room, messages, kwargs)
        calls = StreamedCalls(kwargs.get("tools") or ())
        try:
            async for chunk in super()._astream(messages, stop, run_manager, **kwargs):
                follow(calls, chunk)
                yield chunk
        except openai.BadRequestError as error:
            if not is_overflow(error):
                raise
            raise await run_in_executor(None, self._overflow, error, messages, kwargs) from error
        for index, mark in calls.marks():
            yield mark_chunk(index, mark)

    async def astream_raw(self, turns: Sequence[Turn], **options: Any) -> AsyncGenerator[list[Json], None]:
        """Stream the server's own chunks, those together that came while nobody read.

        For callers that need nothing of LangChain's: no callback hears of it, and nothing is built that they would take
        apart again. Window and retries are as for any other request.

        Args:
            turns: The prompt.
            **options: As `bind` takes them.

        Raises:
            PromptOverflowError: The server refused the prompt for its length.
        """
        streamed = {**options, "stream": True, "stream_options": {"include_usage": True}}
        payload = self._get_request_payload([], **streamed)
        payload["messages"] = [{"role": turn.role, "content": turn.text} for turn in turns]
        try:
            stream = await self.async_client.create(**payload)
        except openai.BadRequestError as error:
            if not is_overflow(error):
                raise
            raise await run_in_executor(None, self._overflow, error, to_messages(turns), options) from error
        async with stream, aclosing(gathered(stream.batches())) as batches:
            async for batch in batches:
                yield batch

    def _generate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self._check_room(messages, kwargs)
        # `_generate` would not do: with a streaming callback LangChain adds up `_stream` in here instead.
        try:
            result = super()._generate_with_cache(messages, stop, run_manager, **kwargs)
        except openai.BadRequestError as error:
            if not is_overflow(error):
                raise
            raise self._overflow(error, messages, kwargs) from error
        return with_sorted_calls(result, kwargs.get("tools"))

    async def _agenerate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if self._may_overflow(messages, kwargs):
            await run_in_executor(None, self._check_room, messages, kwargs)
        try:
            result = await super()._agenerate_with_cache(messages, stop, run_manager, **kwargs)
        except openai.BadRequestError as error:
            if not is_overflow(error):
                raise
            raise await run_in_executor(None, self._overflow, error, messages, kwargs) from error
        return with_sorted_calls(result, kwargs.get("tools"))

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        text = None if base_generation_info or self.output_version == "v1" else plain_text(chunk)
        if text is not None:
            return text_chunk(text)
        return super()._convert_chunk_to_generation_chunk(
            as_assistant(chunk, "delta"), default_chunk_class, base_generation_info
        )

    def _create_chat_result(
        self, response: dict[str, Any] | openai.BaseModel, generation_info: dict[str, Any] | None = None
    ) -> ChatResult:
        if isinstance(response, openai.BaseModel):
            response = response.model_dump(warnings=False)
        if isinstance(response, dict):
            response = as_assistant(response, "message")
        return super()._create_chat_result(response, generation_info)

    # --- structured output ---

    def with_structured_output(
        self,
        schema: Any = None,
        *,
        method: Method = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        tools: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Return a chain that answers in a schema; what does not fit is sent back once, with what is wrong.

        Args:
            schema: Pydantic class (the value is its instance), TypedDict, JSON schema or OpenAI function (a dict).
            method: `json_schema` (the server enforces it), `function_calling` (as a tool's arguments) or `json_mode`
                (any JSON, which is then validated; the prompt must say what is wanted).
            include_raw: Return `raw`, `parsed` and `parsing_error` instead of raising.
            strict: Passed on to the server.
            tools: Tools that the model may call instead; only where its server allows both.
            **kwargs: Passed on to the request.

        Raises:
            ValueError: For an unknown method, or without a schema where one is needed.
            OutputParserException: On use, if the second reply does not fit either.
        """
        options = {"strict": strict, "tools": tools, **kwargs}
        return structured(self, schema, method, include_raw=include_raw, **options)

    # --- tokens ---

    def get_token_ids(self, text: str) -> list[int]:
        """Return the server's tokens of a text, as they stand in a prompt: with control tokens neutralised.

        Raises:
            TokenizeUnsupportedError: The server has no `/tokenize`.
        """
        return self._counter.ids(neutralise(text))

    def get_num_tokens_from_messages(
        self,
        messages: Sequence[BaseMessage],
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] | None = None,
        **kwargs: Any,
    ) -> int:
        """Return the exact tokens of the prompt that the server makes of messages and tools.

        Turns that were counted before are not sent again.

        Args:
            messages: The conversation.
            tools: Tools bound to the request.
            **kwargs: Ignored, for what other chat models take.

        Raises:
            TokenizeUnsupportedError: The server has no `/tokenize`; there is no guess instead.
        """
        payload = self._get_request_payload(list(messages))
        return self._counter.count(payload["messages"], [convert_to_openai_tool(tool) for tool in tools or ()])

    @cached_property
    def _counter(self) -> TokenCounter:
        return TokenCounter(self._tokenize, self.model_name)

    def _tokenize(self, body: Json) -> Json:
        self._ensure_sync_client_available()
        url = str(self.root_client.base_url).rstrip("/").removesuffix("/v1") + "/tokenize"
        try:
            reply = self.root_client.post(url, cast_to=object, body=body)
        except (openai.NotFoundError, openai.PermissionDeniedError) as error:
            raise tokenize_unsupported(_shown(url)) from error
        if not isinstance(reply, dict) or "count" not in reply:
            raise tokenize_unsupported(_shown(url))
        return reply

    def _may_overflow(self, messages: list[BaseMessage], sent: Json) -> bool:
        """Whether prompt and answer could be too long; without a length asked for, the server gives what is left."""
        if not self.checks_window:
            return False
        payload = self._get_request_payload(messages, **sent)
        window = min(self._counter.window or self.served.window_tokens, self.window_tokens or self.served.window_tokens)
        return bool(payload.get("max_tokens")) and prompt_bound(payload) + payload["max_tokens"] > window

    def _check_room(self, messages: list[BaseMessage], sent: Json) -> None:
        """Refuse a prompt that leaves too little room for the answer, where vLLM would silently shorten that.

        Raises:
            PromptOverflowError: With what to cut.
        """
        if not self._may_overflow(messages, sent):
            return
        payload = self._get_request_payload(messages, **sent)
        prompt = payload["messages"], payload.get("tools") or ()
        try:
            tokens = self._counter.whole(*prompt)
            window = self._server_window()
            if window is not None and tokens + payload["max_tokens"] > window:
                counts, answer = self._counter.by_part(*prompt), payload["max_tokens"]
                raise overflow(None, counts, tokens=tokens, window=window, answer_tokens=answer)
        except (openai.APIError, TokenizeUnsupportedError):
            return  # the server itself has to decide

    def _server_window(self) -> int | None:
        known = [window for window in (self._counter.window, self.window_tokens) if window is not None]
        return min(known, default=None)

    def _overflow(self, error: openai.BadRequestError, messages: list[BaseMessage], sent: Json) -> PromptOverflowError:
        payload = self._get_request_payload(messages, **sent)
        prompt = payload["messages"], payload.get("tools") or ()
        try:
            counts, tokens = self._counter.by_part(*prompt), self._counter.count(*prompt)
        except (openai.APIError, TokenizeUnsupportedError):
            return overflow(error, ())
        answer_tokens = payload.get("max_tokens") or 0
        return overflow(error, counts, tokens=tokens, window=self._server_window(), answer_tokens=answer_tokens)

    # --- who it is ---

    @cached_property
    def served(self) -> Profile:
        """The model's profile."""
        return load_profile(self.huozi_profile)

    def _resolve_model_profile(self) -> ModelProfile | None:
        # With response_format vLLM lets the model write nothing but that JSON, no tool call either: an agent that has
        # tools must ask for its structured answer through one more tool, which is what structured_output=False says.
        return ModelProfile(
            max_input_tokens=min(self.served.window_tokens, self.window_tokens or self.served.window_tokens),
            text_inputs=True,
            text_outputs=True,
            tool_calling=True,
            tool_choice=True,
            structured_output=False,
        )

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return LangSmithParams(**{**super()._get_ls_params(stop, **kwargs), "ls_provider": "huozi"})

    @property
    def _llm_type(self) -> str:
        return "huozi-chat"

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Field -> the variable that it comes from, when a saved model is loaded again."""
        return {"openai_api_key": "HUOZI_LLM__API_KEY"}

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Return where LangChain finds the class again."""
        return ["assistant", "chat_model"]

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Say that LangChain may save it, without its key."""
        return True


def _shown(url: str) -> str:
    return LlmSettings(base_url=url).shown_url
