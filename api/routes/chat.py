"""`POST /v1/chat/completions`: answers from documents, and the model itself."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.answering import AnswerResponse
from api.body import parse, read_json
from api.errors import ModelNotFoundError, RequestError
from api.parts import Parts
from api.schemas.chat import ChatRequest, check_offered, turns
from api.sse import Envelope
from assistant.trace import new_answer_id
from retrieval.errors import CollectionNotFoundError, Message

if TYPE_CHECKING:
    from retrieval.data_folder import DataFolder

router = APIRouter(prefix="/v1", tags=["chat"])

MODEL = "huozi"
RAG_MODEL = "huozi-rag"

_BODY = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": ChatRequest.model_json_schema()}}}
}


def collection_of(model: str) -> str | None:
    """Return the collection that a model name stands for; None if it is no `huozi-rag` model."""
    if model == RAG_MODEL:
        return "default"
    name, slash, collection = model.partition("/")
    return collection if name == RAG_MODEL and slash and collection else None


def known_name(folder: DataFolder, name: str) -> str:
    """Return a collection's name, which may have come percent-encoded; one that really holds a `%` goes first."""
    try:
        return folder.catalog.get_collection(name).name
    except CollectionNotFoundError:
        return unquote(name)


@router.post("/chat/completions", openapi_extra=_BODY, summary="Answer from documents, or ask the model itself")
async def create_chat_completion(request: Request) -> Response:
    """Answer the last user turn, streamed or whole."""
    body = await read_json(request)
    model = body.get("model")
    if not isinstance(model, str):
        raise RequestError(Message(en="'model' is missing.", zh="缺少 'model'。"), param="model")
    if model == MODEL:
        from api.model_proxy import forward

        return await forward(request, body)
    collection = collection_of(model)
    if collection is None:
        raise unknown_model(model)
    return await answer(request, body, collection)


async def answer(request: Request, body: dict[str, Any], collection: str) -> Response:
    """Answer from one collection."""
    asked = parse(ChatRequest, body)
    check_offered(asked)
    *history, question = turns(asked.messages)
    parts: Parts = request.app.state.parts
    if "%" in collection:
        collection = await asyncio.to_thread(known_name, parts.folder, collection)
    envelope = Envelope(
        completion_id=new_answer_id(),
        created=int(time.time()),
        model=asked.model,
        base_url=str(request.base_url).rstrip("/"),
    )
    return AnswerResponse(
        parts.assistant.astream(
            question.text,
            [turn for turn in history if turn.role != "system"],
            collection,
            system="\n\n".join(turn.text for turn in history if turn.role == "system") or None,
            max_tokens=asked.max_completion_tokens or asked.max_tokens,
            temperature=asked.temperature,
            stop=asked.stops,
            answer_id=envelope.completion_id,
            drafts=asked.wants_drafts and bool(asked.stream),
        ),
        envelope,
        language=request.app.state.settings.language,
        stream=bool(asked.stream),
        include_usage=asked.wants_usage,
        include_drafts=asked.wants_drafts,
    )


def unknown_model(model: str) -> ModelNotFoundError:
    """Return the error for a model name that is none of ours."""
    return ModelNotFoundError(
        Message(en=f"The model {model!r} does not exist.", zh=f"没有名为 {model!r} 的模型。"),
        hint=Message(
            en="Use 'huozi-rag', 'huozi-rag/COLLECTION' or 'huozi'; see GET /v1/models.",
            zh="可用 'huozi-rag'、'huozi-rag/集合名' 或 'huozi'，见 GET /v1/models。",
        ),
        param="model",
    )
