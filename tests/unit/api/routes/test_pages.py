from __future__ import annotations

import re
from pathlib import Path

import pytest

from api.routes.pages import STATIC
from assistant.settings import LlmSettings
from tests.unit.api.service import FakeFolder, ScriptedAssistant, build, client

FILES = sorted(STATIC.iterdir())


@pytest.mark.parametrize("path", ["/", "/documents/doc_1?start=1&end=2", "/docs"])
async def test_page_allows_nothing_from_outside(folder: FakeFolder, path: str):
    async with client(build(folder, ScriptedAssistant())) as http:
        reply = await http.get(path)
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'self';") and "unsafe" not in policy
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "<script>" not in reply.text and " style=" not in reply.text and "onclick" not in reply.text


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_file_names_no_address_outside(file: Path):
    text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"(?:https?:)?//[a-z0-9]", text) == []


@pytest.mark.parametrize("file", [file for file in FILES if file.suffix == ".js"], ids=lambda file: file.name)
def test_script_never_turns_text_into_markup(file: Path):
    banned = (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "localStorage",
        "sessionStorage",
    )
    assert [word for word in banned if word in file.read_text("utf-8")] == []


LATER = {"documents.js", "upload.js"}  # when somebody asks for the documents


def test_page_is_small():
    assert sum(file.stat().st_size for file in FILES if file.name not in LATER) < 70 * 1024
    assert sum(file.stat().st_size for file in FILES) < 90 * 1024


def test_scripts_of_the_documents_are_loaded_when_they_are_asked_for():
    page = (STATIC / "index.html").read_text("utf-8")
    app = (STATIC / "app.js").read_text("utf-8")
    assert not [name for name in LATER if name in page]
    assert 'import("./documents.js")' in app and not re.search(r"^import .*(documents|upload)", app, re.MULTILINE)


async def test_page_knows_the_language_and_whether_there_is_a_model(folder: FakeFolder):
    async with client(build(folder, ScriptedAssistant())) as http:
        assert 'data-language="zh" data-model="no"' in (await http.get("/")).text
    llm = LlmSettings(base_url="http://127.0.0.1:1/v1")
    async with client(build(folder, ScriptedAssistant(), language="en", llm=llm)) as http:
        assert 'data-language="en" data-model="yes"' in (await http.get("/")).text


async def test_every_file_is_served_with_its_type(folder: FakeFolder):
    async with client(build(folder, ScriptedAssistant())) as http:
        script = await http.get("/static/app.js")
        assert "javascript" in script.headers["content-type"]
        assert script.headers["content-security-policy"].startswith("default-src 'self'")
        assert (await http.get("/favicon.ico")).headers["content-type"].startswith("image/svg")
        assert (await http.get("/static/../app.py")).status_code == 404


async def test_errors_are_openais_object_everywhere(folder: FakeFolder):
    async with client(build(folder, ScriptedAssistant())) as http:
        for reply, status in (
            (await http.get("/nowhere"), 404),
            (await http.get("/v1/chat/completions"), 405),
            (await http.get("/static/nothing.js"), 404),
        ):
            assert reply.status_code == status
            assert set(reply.json()["error"]) == {"message", "type", "code", "param"}


def test_both_languages_have_the_same_texts():
    source = (STATIC / "strings.js").read_text("utf-8")
    zh, en = (set(re.findall(r"^    (\w+):", part, re.MULTILINE)) for part in source.split("  en: {"))
    assert zh == en and len(zh) > 30
