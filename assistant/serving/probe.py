"""Asks a model server what it is: does it answer, which models, which window, which chat template.

One flow of requests, written once as a generator; `probe` and `aprobe` drive it with a blocking and an async client.
The template is told by its tokens: what the server makes of a small conversation (`/tokenize`, as vLLM has it) is
compared with what it makes of our own rendering of the same conversation; for llama.cpp the texts are compared. That
conversation tries to forge a turn, so a template without our protection differs even where the roles agree.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from assistant.errors import server_down, server_refused, server_slow
from assistant.serving.profile import Profile
from assistant.serving.server_report import (
    ServerProblem,
    ServerReport,
    Template,
    not_openai,
    problem_of,
    small_window,
    wrong_model,
    wrong_template,
)
from assistant.settings import LlmSettings
from assistant.template import render

Answer = httpx.Response | httpx.HTTPError
Flow = Generator[httpx.Request, Answer, ServerReport]

TIMEOUT = httpx.Timeout(5.0, connect=2.0)
"""Seconds. A server that loads its model does not answer yet; nobody waits for it here."""


def probe(settings: LlmSettings) -> ServerReport:
    """Ask the model server; what is wrong with it is in the report, never raised.

    Args:
        settings: The server; `base_url` must be set.
    """
    with httpx.Client(timeout=TIMEOUT) as client:
        flow = _flow(settings)
        try:
            request = next(flow)
            while True:
                try:
                    answer: Answer = client.send(request)
                except httpx.HTTPError as error:
                    answer = error
                request = flow.send(answer)
        except StopIteration as end:
            report: ServerReport = end.value
            return report


async def aprobe(settings: LlmSettings, client: httpx.AsyncClient) -> ServerReport:
    """Ask the model server through an open client: see `probe`."""
    flow = _flow(settings)
    try:
        request = next(flow)
        while True:
            request.extensions["timeout"] = TIMEOUT.as_dict()
            try:
                answer: Answer = await client.send(request)
            except httpx.HTTPError as error:
                answer = error
            request = flow.send(answer)
    except StopIteration as end:
        report: ServerReport = end.value
        return report


async def aserver_window(settings: LlmSettings) -> int | None:
    """Return the window of the configured model in tokens, or None where the server does not say."""
    async with httpx.AsyncClient(timeout=TIMEOUT) as client:
        try:
            answer = await client.send(_request(settings, "GET", f"{_base(settings)}/models"))
        except httpx.HTTPError:
            return None
    window = (_models(answer) or {}).get(settings.model, {}).get("max_model_len")
    return window if isinstance(window, int) else None


def _flow(settings: LlmSettings) -> Flow:
    """Ask step by step; a step that fails ends it."""
    url = settings.shown_url
    answer = yield _request(settings, "GET", f"{_base(settings)}/models")
    if isinstance(answer, httpx.HTTPError):
        error = server_slow(url, TIMEOUT.read or 0) if _is_slow(answer) else server_down(url)
        return ServerReport(url, problems=(problem_of(error),))
    report = ServerReport(url, is_reachable=True)
    if not answer.is_success:
        return replace(report, problems=(problem_of(server_refused(url, answer.status_code, _reason(answer))),))
    models = _models(answer)
    if models is None:
        return replace(report, problems=(not_openai(url),))
    window = models.get(settings.model, {}).get("max_model_len")
    report = replace(report, served=tuple(models), window_tokens=window if isinstance(window, int) else None)
    if not _serves(models, settings.model):
        return replace(report, problems=(wrong_model(url, settings.model, report.served),))
    template = yield from _template(settings)
    return _with_problems(replace(report, template=template), settings)


def _with_problems(report: ServerReport, settings: LlmSettings) -> ServerReport:
    problems: list[ServerProblem] = []
    if found := wrong_template(report.url, report.template, settings.model_profile.template_path):
        problems.append(found)
    if report.window_tokens is not None and report.window_tokens < settings.window_tokens:
        problems.append(small_window(report.url, report.window_tokens, settings.window_tokens))
    return replace(report, problems=tuple(problems))


def _template(settings: LlmSettings) -> Generator[httpx.Request, Answer, Template]:
    """Compare what the server makes of a conversation with what we do."""
    profile = settings.model_profile
    trial = _trial(profile)
    answer = yield _tokenize(settings, messages=trial, add_generation_prompt=True)
    if _has_no_template(answer):
        return "missing"
    texts: dict[Template, str] = {
        "ours": render(trial, template=profile.template_path),
        "published": _published(profile, trial),
    }
    theirs = _tokens(answer)
    if theirs is None:
        applied = _json((yield _to_root(settings, "/apply-template", {"messages": trial})))
        text = applied.get("prompt") if isinstance(applied, Mapping) else None
        return "unknown" if text is None else next((name for name, known in texts.items() if known == text), "other")
    for name, text in texts.items():
        if text and _tokens((yield _tokenize(settings, prompt=text))) == theirs:
            return name
    return "other"


def _trial(profile: Profile) -> list[dict[str, str]]:
    forged = profile.control_tokens[-1] if profile.control_tokens else ""
    return [{"role": "system", "content": "简短。"}, {"role": "user", "content": f"年假{forged}几天？"}]


def _published(profile: Profile, messages: list[dict[str, str]]) -> str:
    """Return the conversation as huozi's published template writes it; empty for models of another form."""
    if len(profile.control_tokens) != 2:
        return ""
    begin, end = profile.control_tokens
    turns = [f"{begin}{message['role']}\n{message['content']}{end}\n" for message in messages]
    return "".join([*turns, f"{begin}{profile.roles['assistant']}\n"])


def _tokenize(settings: LlmSettings, **body: Any) -> httpx.Request:
    return _to_root(settings, "/tokenize", {"model": settings.model, "add_special_tokens": False, **body})


def _to_root(settings: LlmSettings, path: str, body: dict[str, Any]) -> httpx.Request:
    parts = urlsplit(_base(settings))
    root = urlunsplit(parts._replace(path=parts.path.removesuffix("/v1")))
    return _request(settings, "POST", root + path, body)


def _tokens(answer: Answer) -> list[int] | None:
    """Return the tokens of a reply of vLLM's /tokenize; None for anything else, such as llama.cpp's."""
    data = _json(answer)
    if not isinstance(data, Mapping) or "count" not in data or not isinstance(data.get("tokens"), list):
        return None
    return list(data["tokens"])


def _has_no_template(answer: Answer) -> bool:
    return (
        isinstance(answer, httpx.Response)
        and answer.status_code in (400, 500)
        and "chat template" in _reason(answer).lower()
    )


def _models(answer: httpx.Response) -> dict[str, Mapping[str, Any]] | None:
    """Return the listed models by name, or None for what is no list of models."""
    data = _json(answer)
    listed = data.get("data") if isinstance(data, Mapping) else None
    if not isinstance(listed, list):
        return None
    return {str(one["id"]): one for one in listed if isinstance(one, Mapping) and "id" in one}


def _serves(models: Mapping[str, Mapping[str, Any]], name: str) -> bool:
    """Whether a request for the model will be answered.

    Ollama lists `huozi` as `huozi:latest`, llama.cpp answers to any name, and `transformers serve`, which is asked for
    a model by its path, lists others.
    """
    if name in models or f"{name}:latest" in models or name.startswith("/"):
        return True
    return any(one.get("owned_by") == "llamacpp" for one in models.values())


def _json(answer: Answer) -> Any:
    if isinstance(answer, httpx.HTTPError) or not answer.is_success:
        return None
    try:
        return answer.json()
    except ValueError:
        return None


def _reason(answer: httpx.Response) -> str:
    try:
        data = answer.json()
    except ValueError:
        return ""
    error = data.get("error", data) if isinstance(data, Mapping) else {}
    said = error.get("message") if isinstance(error, Mapping) else error
    return " ".join(str(said or "").split())[:300]


def _is_slow(error: httpx.HTTPError) -> bool:
    return isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout)


def _base(settings: LlmSettings) -> str:
    return (settings.base_url or "").rstrip("/")


def _request(settings: LlmSettings, method: str, url: str, body: dict[str, Any] | None = None) -> httpx.Request:
    headers = {} if settings.api_key is None else {"authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    return httpx.Request(method, url, json=body, headers=headers)
