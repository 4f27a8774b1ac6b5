"""The model `huozi` itself: the request goes to the configured model server, its bytes come back, but for the role."""

from __future__ import annotations

import logging
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.answering import until_disconnect
from api.errors import NoModelServerError, error_body, error_response
from api.reply_role import RoleMender
from api.sse import DONE, encode_event
from assistant.errors import ModelServerError, server_down, server_garbage, server_slow
from assistant.serving.profile import Profile
from retrieval.errors import Language, Message

logger = logging.getLogger("huozi.api")

# Seconds. A long prompt may be read for minutes before the first byte.
READ_TIMEOUT = 600.0
TIMEOUT = httpx.Timeout(READ_TIMEOUT, connect=5.0)


def client_of(request: Request) -> httpx.AsyncClient:
    """Return the service's one client to the model server, opened on first use and closed with the service."""
    state = request.app.state
    if state.model_client is None:
        # Callers are not limited here; the model server queues.
        state.model_client = httpx.AsyncClient(timeout=TIMEOUT, limits=httpx.Limits(max_connections=None))
    client: httpx.AsyncClient = state.model_client
    return client


async def forward(request: Request, body: dict[str, Any]) -> Response:
    """Send a chat request to the model server under the model's own name and key.

    Raises:
        NoModelServerError: If none is configured.
    """
    llm = request.app.state.settings.llm
    if llm is None or llm.base_url is None:
        raise NoModelServerError(
            Message(
                en="The model 'huozi' needs a model server, and none is configured.",
                zh="未配置模型服务，无法使用模型 'huozi'。",
            ),
            hint=Message(
                en="Set HUOZI_LLM__BASE_URL, or use 'huozi-rag', which answers from documents without one.",
                zh="请设置 HUOZI_LLM__BASE_URL，或使用无需模型服务的 'huozi-rag'。",
            ),
            param="model",
        )
    headers = {"accept-encoding": "identity"}
    if llm.api_key is not None:
        headers["authorization"] = f"Bearer {llm.api_key.get_secret_value()}"
    url = f"{str(llm.base_url).rstrip('/')}/chat/completions"
    client = client_of(request)
    told = with_stops(body, llm.model_profile, send_ids=llm.send_stop_ids) | {"model": llm.model}
    outgoing = client.build_request("POST", url, json=told, headers=headers)
    mender = RoleMender(llm.model_profile.response_role)
    return ProxyResponse(client, outgoing, llm.shown_url, request.app.state.settings.language, mender)


def with_stops(body: dict[str, Any], profile: Profile, *, send_ids: bool = True) -> dict[str, Any]:
    """Return the request with the stops of the model's profile before the caller's own.

    Without them vLLM writes the end token into the text wherever a request has tools.
    """
    asked, said = body.get("stop_token_ids") or [], body.get("stop") or []
    said = [said] if isinstance(said, str) else said
    ours: dict[str, Any] = {}
    if send_ids and profile.stop_token_ids and isinstance(asked, list):
        ours["stop_token_ids"] = [*profile.stop_token_ids, *(one for one in asked if one not in profile.stop_token_ids)]
    if profile.stop and isinstance(said, list):
        ours["stop"] = [*profile.stop, *(one for one in said if one not in profile.stop)]
    return body | ours


def translate(exc: httpx.HTTPError, shown_url: str) -> ModelServerError:
    """Return our error for a model server that does not answer or breaks off."""
    if isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout):
        return server_down(shown_url)
    if isinstance(exc, httpx.TimeoutException):
        return server_slow(shown_url, READ_TIMEOUT)
    return server_garbage(shown_url)


class ProxyResponse(Response):
    """The model server's reply, byte by byte but for its role; the request to it ends when the caller hangs up.

    Args:
        client: Sends the request.
        outgoing: The request to the model server.
        shown_url: Its address in error messages.
        language: Of error messages.
        mender: Writes the role that OpenAI's clients know.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        outgoing: httpx.Request,
        shown_url: str,
        language: Language,
        mender: RoleMender,
    ) -> None:
        self.background = None
        self._client = client
        self._outgoing = outgoing
        self._shown_url = shown_url
        self._language = language
        self._mender = mender

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the request on and its reply back."""

        async def work() -> None:
            try:
                incoming = await self._client.send(self._outgoing, stream=True)
            except httpx.HTTPError as exc:
                logger.warning("model server: %r", exc)
                await error_response(translate(exc, self._shown_url), self._language)(scope, receive, send)
                return
            try:
                await self._pass_on(incoming, send)
            finally:
                await incoming.aclose()

        await until_disconnect(receive, work)

    async def _pass_on(self, incoming: httpx.Response, send: Send) -> None:
        kind = incoming.headers.get("content-type", "application/json").encode("latin-1")
        headers = [(b"content-type", kind), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": incoming.status_code, "headers": headers})
        last = b""
        try:
            async for data in incoming.aiter_raw():
                await send({"type": "http.response.body", "body": self._mender.feed(data), "more_body": True})
        except httpx.HTTPError as exc:
            logger.warning("model server broke off: %r", exc)
            if kind.startswith(b"text/event-stream"):
                last = encode_event(error_body(translate(exc, self._shown_url), self._language)) + DONE
        await send({"type": "http.response.body", "body": self._mender.finish() + last, "more_body": False})
