"""Errors as the HTTP API tells them: OpenAI's error object, one table from class to status.

HuoziError
└── ApiError                  what the HTTP layer itself refuses
    ├── RequestError          the request cannot be read or asks for what is not offered
    ├── ModelNotFoundError    no such model
    ├── AuthenticationError   no key, or a wrong one
    ├── OriginError           a web page of another origin, or a foreign host name, asks
    ├── BindingError          the service would be open to the network without a key
    ├── RequestTooLargeError  more bytes than are taken
    ├── RouteError            no such address, or not with this method
    └── NoModelServerError    `huozi` is asked for and no model server is configured

The model server's own failures, also those behind `huozi`, are `assistant.errors`.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from assistant import errors as assistant_errors
from assistant.serving import errors as serving_errors
from ingest import errors as ingest_errors
from retrieval import errors as retrieval_errors
from retrieval.errors import HuoziError, Language, Message

logger = logging.getLogger("huozi.api")


class ApiError(HuoziError):
    """Something the HTTP layer itself refuses.

    Args:
        message: What failed.
        hint: What to do next.
        param: The request's field at fault, as OpenAI's `param`.
    """

    code = "api_error"

    def __init__(self, message: Message, *, hint: Message | None = None, param: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.param = param


class RequestError(ApiError):
    """The request cannot be read, or asks for what is not offered."""

    code = "invalid_request"


class ModelNotFoundError(ApiError):
    """No model has this name."""

    code = "model_not_found"


class AuthenticationError(ApiError):
    """No API key came with the request, or one that is not known."""

    code = "invalid_api_key"


class OriginError(ApiError):
    """A page of another origin, or a foreign host name, speaks to a service that has no keys."""

    code = "foreign_origin"


class BindingError(ApiError):
    """The service would be open to the network without a key."""

    code = "open_binding"


class RequestTooLargeError(ApiError):
    """More bytes than the service takes."""

    code = "request_too_large"


class RouteError(ApiError):
    """No such address, or not with this method.

    Args:
        message: What was asked for.
        status: 404 or 405.
    """

    code = "unknown_url"

    def __init__(self, message: Message, *, status: int = 404) -> None:
        super().__init__(message)
        self.status = status


class NoModelServerError(ApiError):
    """The model itself is asked for and no model server is configured."""

    code = "no_model_server"


@dataclass(frozen=True, slots=True)
class Reply:
    """How a class of errors is told: HTTP status and OpenAI's `type`."""

    status: int
    type: str


CLIENT_GONE = 499
"""What logs say of a caller that hung up; nobody gets it."""

INVALID = "invalid_request_error"
BAD_REQUEST = Reply(400, INVALID)
NOT_FOUND = Reply(404, INVALID)
CONFLICT = Reply(409, INVALID)
BROKEN = Reply(500, "server_error")
UNAVAILABLE = Reply(503, "server_error")

TABLE: dict[type[HuoziError], Reply] = {
    HuoziError: BROKEN,
    ApiError: BAD_REQUEST,
    RequestError: BAD_REQUEST,
    ModelNotFoundError: NOT_FOUND,
    AuthenticationError: Reply(401, "authentication_error"),
    OriginError: Reply(403, "permission_error"),
    BindingError: BROKEN,
    RequestTooLargeError: Reply(413, INVALID),
    RouteError: NOT_FOUND,
    NoModelServerError: UNAVAILABLE,
    retrieval_errors.SettingsError: BROKEN,
    retrieval_errors.CatalogError: UNAVAILABLE,
    retrieval_errors.KeywordIndexError: UNAVAILABLE,
    retrieval_errors.DataFolderError: UNAVAILABLE,
    retrieval_errors.DataFolderOwnedError: UNAVAILABLE,
    retrieval_errors.CatalogVersionError: BROKEN,
    retrieval_errors.NotFoundError: NOT_FOUND,
    retrieval_errors.CollectionNotFoundError: NOT_FOUND,
    retrieval_errors.DocumentNotFoundError: NOT_FOUND,
    retrieval_errors.FileUnknownError: NOT_FOUND,
    retrieval_errors.AnswerNotFoundError: NOT_FOUND,
    retrieval_errors.JobNotFoundError: NOT_FOUND,
    retrieval_errors.JobStateError: CONFLICT,
    retrieval_errors.CollectionNameError: BAD_REQUEST,
    retrieval_errors.CollectionExistsError: CONFLICT,
    retrieval_errors.KeyReusedError: CONFLICT,
    retrieval_errors.EmbedderMismatchError: CONFLICT,
    retrieval_errors.EmbedderError: UNAVAILABLE,
    retrieval_errors.MissingExtraError: BROKEN,
    retrieval_errors.QuestionError: BAD_REQUEST,
    retrieval_errors.VectorStoreError: UNAVAILABLE,
    assistant_errors.AnswerError: BROKEN,
    assistant_errors.ChatTemplateError: BAD_REQUEST,
    assistant_errors.PromptTooLongError: BAD_REQUEST,
    assistant_errors.TokenizeUnsupportedError: UNAVAILABLE,
    assistant_errors.EvaluationError: BAD_REQUEST,
    assistant_errors.ProfileError: BROKEN,
    assistant_errors.GpuError: BROKEN,
    assistant_errors.ModelServerError: UNAVAILABLE,
    assistant_errors.ModelServerDownError: UNAVAILABLE,
    assistant_errors.ModelServerSlowError: UNAVAILABLE,
    assistant_errors.ModelServerGarbageError: UNAVAILABLE,
    assistant_errors.ModelServerRefusedError: UNAVAILABLE,
    assistant_errors.ModelAnswerEmptyError: UNAVAILABLE,
    assistant_errors.ModelAnswerRepeatsError: UNAVAILABLE,
    serving_errors.ServingError: UNAVAILABLE,
    serving_errors.ModelFilesError: BROKEN,
    serving_errors.DownloadError: UNAVAILABLE,
    serving_errors.DiskSpaceError: UNAVAILABLE,
    serving_errors.EngineMissingError: BROKEN,
    serving_errors.EngineUnfitError: BROKEN,
    serving_errors.NoGpuError: BROKEN,
    serving_errors.PortTakenError: UNAVAILABLE,
    serving_errors.OpenServerError: BROKEN,
    serving_errors.EngineFailedError: UNAVAILABLE,
    serving_errors.BatchFileError: BAD_REQUEST,
    serving_errors.ConversionError: BROKEN,
    ingest_errors.EmptiedFolderError: CONFLICT,
    ingest_errors.IngestError: BAD_REQUEST,
    ingest_errors.EmptyFileError: BAD_REQUEST,
    ingest_errors.BrokenFileError: BAD_REQUEST,
    ingest_errors.EncryptedError: BAD_REQUEST,
    ingest_errors.NeedsOcrError: BAD_REQUEST,
    ingest_errors.UnsupportedFormatError: BAD_REQUEST,
    ingest_errors.EncodingError: BAD_REQUEST,
    ingest_errors.BinaryFileError: BAD_REQUEST,
    ingest_errors.FileTooLargeError: Reply(413, INVALID),
    ingest_errors.FileVanishedError: CONFLICT,
    ingest_errors.UnreadableError: BAD_REQUEST,
    ingest_errors.ParserCrashedError: BAD_REQUEST,
    ingest_errors.ParserLimitError: BAD_REQUEST,
}
"""The row of every class of the family; a test fails on a missing one."""


def reply_for(error: HuoziError) -> Reply:
    """Return status and type for one error: its own row, else the nearest base's."""
    if isinstance(error, RouteError):
        return Reply(error.status, INVALID)
    if isinstance(error, assistant_errors.ModelServerRefusedError) and error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Reply(429, "rate_limit_error")
    return next(TABLE[base] for base in type(error).__mro__ if base in TABLE)


def error_body(error: HuoziError, language: Language) -> dict[str, Any]:
    """Return OpenAI's error object."""
    return {
        "error": {
            "message": error.render(language),
            "type": reply_for(error).type,
            "code": error.code,
            "param": getattr(error, "param", None),
        }
    }


def error_response(error: HuoziError, language: Language) -> Response:
    """Return the whole reply for one error."""
    reply = reply_for(error)
    headers = {"cache-control": "no-store"}
    if reply.status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    content = json.dumps(error_body(error, language), ensure_ascii=False).encode("utf-8", "replace")
    return Response(content, reply.status, headers, "application/json")


def internal_error() -> HuoziError:
    """Return what a caller may know of an error that nobody foresaw: nothing of its inside."""
    error = HuoziError(
        Message(en="The service failed while answering.", zh="服务处理请求时出错。"),
        hint=Message(en="See the service's log.", zh="详情见服务日志。"),
    )
    error.code = "internal_error"
    return error


def route_error(error: HTTPException, method: str, path: str) -> RouteError:
    """Return our words for what the router refuses."""
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        message = Message(en=f"{path!r} does not take {method}.", zh=f"{path!r} 不支持 {method} 方法。")
    elif error.status_code == HTTPStatus.NOT_FOUND:
        message = Message(en=f"Unknown address: {method} {path!r}.", zh=f"没有这个地址：{method} {path!r}。")
    else:
        message = Message(en=str(error.detail), zh=str(error.detail))
    return RouteError(message, status=error.status_code)


def language_of(request: Request) -> Language:
    """Return the language of the service that got the request."""
    language: Language = request.app.state.settings.language
    return language


async def on_huozi_error(request: Request, error: Exception) -> Response:
    """Answer with the error's row."""
    assert isinstance(error, HuoziError)  # it is registered for this family
    if reply_for(error).status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.warning("%s %s: %s", request.method, request.url.path, error)
    return error_response(error, language_of(request))


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer for the router: unknown address, wrong method."""
    assert isinstance(error, HTTPException)
    return error_response(route_error(error, request.method, request.url.path), language_of(request))


async def on_validation_error(request: Request, error: Exception) -> Response:
    """Answer for a parameter that does not have the form asked for."""
    problems: list[dict[str, Any]] = getattr(error, "errors", list)()
    first = problems[0] if problems else {"loc": (), "msg": str(error)}
    # The first part of the place says query, path or header.
    return error_response(invalid_field(first | {"loc": first.get("loc", ())[1:]}), language_of(request))


def invalid_field(problem: dict[str, Any]) -> RequestError:
    """Return the error for one of pydantic's problems."""
    where = [str(part) for part in problem.get("loc", ())]
    param = "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in where).lstrip(".")
    text = str(problem.get("msg", "")).removeprefix("Value error, ")
    return RequestError(
        Message(en=f"Invalid {param!r}: {text}.", zh=f"参数 {param!r} 有误：{text}。"),
        param=param or None,
    )


async def on_disconnect(request: Request, _: Exception) -> Response:
    """Answer nobody: the caller hung up while sending."""
    return Response(status_code=CLIENT_GONE)


async def on_unforeseen(request: Request, _: Exception) -> Response:
    """Answer for a defect of ours; the server logs its traceback, the caller sees none of it."""
    return error_response(internal_error(), language_of(request))
