from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from api.app import create_app, own_url
from api.settings import Settings
from tests.unit.api.service import FakeFolder, ScriptedAssistant, client, settings


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("127.0.0.1", 8080, "http://127.0.0.1:8080"),
        ("0.0.0.0", 9000, "http://127.0.0.1:9000"),
        ("::1", 8080, "http://[::1]:8080"),
        ("localhost", 8080, "http://localhost:8080"),
        ("127.0.0.1", 0, None),
    ],
)
def test_own_url_is_what_this_machine_can_call(host: str, port: int, url: str | None):
    assert own_url(settings(host=host, port=port)) == url


async def test_given_parts_stay_open_when_the_service_ends(folder: FakeFolder):
    assistant = ScriptedAssistant()
    app = create_app(settings(), folder=folder, assistant=assistant)  # type: ignore[arg-type]
    async with app.router.lifespan_context(app):
        assert app.state.parts.folder is folder
        assert folder.answers_meanwhile
    assert folder.catalog.list_collections() == []


async def test_parts_are_built_and_closed_with_the_service(tmp_path: Path):
    from retrieval.data_folder import DataFolder

    built = Settings(data_dir=tmp_path / "data", embedder="none")
    app = create_app(built)
    async with app.router.lifespan_context(app), client(app) as http:
        assert (await http.get("/v1/vector_stores")).json()["data"] == []
    with DataFolder.open(built.retrieval()) as folder:  # the lock is free again
        assert folder.catalog.list_collections() == []


async def test_reference_names_every_route_and_the_version(folder: FakeFolder):
    app = create_app(settings(), folder=folder, assistant=ScriptedAssistant())  # type: ignore[arg-type]
    async with app.router.lifespan_context(app), client(app) as http:
        schema = (await http.get("/openapi.json")).json()
    assert schema["info"]["version"] == version("huozi-assistant")
    assert {"/v1/chat/completions", "/v1/models", "/v1/vector_stores", "/healthz", "/readyz"} <= set(schema["paths"])
    assert not any(path.startswith("/owner") for path in schema["paths"])
