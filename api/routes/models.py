"""`GET /v1/models`: the model itself, and one `huozi-rag` for each collection."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from api.parts import Parts
from api.routes.chat import MODEL, RAG_MODEL, collection_of, known_name, unknown_model
from retrieval.errors import CollectionNotFoundError

router = APIRouter(prefix="/v1/models", tags=["models"])


def model_json(name: str, created: float = 0) -> dict[str, Any]:
    """Return OpenAI's model object."""
    return {"id": name, "object": "model", "created": int(created), "owned_by": "huozi"}


@router.get("", summary="List models")
def list_models(request: Request) -> dict[str, Any]:
    """List the model itself, `huozi-rag` for the default collection, and one for each collection."""
    parts: Parts = request.app.state.parts
    collections = sorted(parts.folder.catalog.list_collections(), key=lambda collection: collection.name)
    named = [model_json(f"{RAG_MODEL}/{collection.name}", collection.created_at) for collection in collections]
    return {"object": "list", "data": [model_json(MODEL), model_json(RAG_MODEL), *named]}


@router.get("/{model:path}", summary="Get one model")
def get_model(request: Request, model: str) -> dict[str, Any]:
    """Return one model by its name."""
    if model in (MODEL, RAG_MODEL):
        return model_json(model)
    parts: Parts = request.app.state.parts
    wanted = collection_of(model)
    if wanted is None:
        raise unknown_model(model)
    try:
        collection = parts.folder.catalog.get_collection(known_name(parts.folder, wanted))
    except CollectionNotFoundError as exc:
        raise unknown_model(model) from exc
    return model_json(f"{RAG_MODEL}/{collection.name}", collection.created_at)
