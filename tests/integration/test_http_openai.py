"""The `openai` SDK against the running service: every OpenAI SDK is our SDK."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import openai
import pytest

from api.app import create_app
from assistant.errors import server_garbage
from assistant.events import DraftEvent, TextEvent, Usage
from assistant.window.cut import Cut, DroppedSource
from retrieval.errors import CollectionNotFoundError, Message
from tests.unit.api.service import (
    HANDBOOK,
    KEY,
    QUOTE,
    FakeFolder,
    ScriptedAssistant,
    cite,
    forever,
    running,
    script,
    settings,
)

QUESTION: Any = [{"role": "user", "content": "年假有多少天？"}]


class Service:
    """A running service whose assistant's script a test may change."""

    def __init__(self, folder: FakeFolder, assistant: ScriptedAssistant, address: str) -> None:
        self.folder = folder
        self.assistant = assistant
        self.address = address
        self.client = openai.OpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=0)

    def follow(self, *steps: Any) -> None:
        self.assistant.steps = steps
        self.assistant.started.clear()
        self.assistant.closed.clear()


@pytest.fixture(scope="module")
def running_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = FakeFolder(tmp_path_factory.mktemp("originals"))
    folder.catalog.keys.tokens.add(KEY)
    folder.add_document(folder.add_collection("人事制度"), HANDBOOK, page_starts=(0,))
    assistant = ScriptedAssistant()
    app = create_app(settings(), folder=folder, assistant=assistant)  # type: ignore[arg-type]
    with running(app) as address:
        service = Service(folder, assistant, address)
        yield service
        service.client.close()


@pytest.fixture
def service(running_service: Service) -> Service:
    chunk = running_service.folder.catalog.chunks["ch_1"]
    running_service.follow(*script("每年", "5 天\u2028年假\n\n😀", "[1]。", citations=[cite(chunk, QUOTE, page=1)]))
    return running_service


def test_answer_has_citations_when_not_streamed(service: Service):
    reply: Any = service.client.chat.completions.create(model="huozi-rag/人事制度", messages=QUESTION)
    assert reply.choices[0].message.content == "每年5 天\u2028年假\n\n😀[1]。"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.total_tokens == 19
    assert reply.refused is False
    assert reply.citations[0]["quote"] == QUOTE
    assert reply.citations[0]["url"].startswith(f"{service.address}/documents/doc_1?start=")


def test_answer_is_the_same_when_streamed(service: Service):
    stream = service.client.chat.completions.create(
        model="huozi-rag/人事制度", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks: list[Any] = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "每年5 天\u2028年假\n\n😀[1]。"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].usage.total_tokens == 19
    assert chunks[-2].citations[0]["quote"] == QUOTE
    assert chunks[-2].refused is False


def test_drafts_are_seen_by_who_asks_and_by_nobody_else(service: Service):
    chunk = service.folder.catalog.chunks["ch_1"]
    first, text, *rest = script("每年 5 天[1]。", citations=[cite(chunk, QUOTE, page=1)])
    drafted = [first, DraftEvent("每年"), DraftEvent("瞎编"), text, DraftEvent("再编"), TextEvent(""), *rest]
    for options, drafts in (({}, []), ({"include_drafts": True}, ["每年", "瞎编", "再编"])):
        service.follow(*drafted)
        stream: Any = service.client.chat.completions.create(
            model="huozi-rag", messages=QUESTION, stream=True, stream_options=cast("Any", options)
        )
        chunks = list(stream)
        assert [one.draft for one in chunks if getattr(one, "draft", None)] == drafts
        assert "".join(one.choices[0].delta.content or "" for one in chunks) == "每年 5 天[1]。"


def test_cached_and_cut_tokens_speak_the_sdks_types(service: Service):
    cut = Cut(dropped_sources=(DroppedSource(5, ("c5",), 90),), dropped_turns=2)
    service.follow(*script("好", usage=Usage(12, 7, 8), cut=cut))
    usage: Any = service.client.chat.completions.create(model="huozi-rag", messages=QUESTION).usage
    assert usage.prompt_tokens_details.cached_tokens == 8
    assert usage.prompt_tokens_details.model_extra == {"dropped_sources": 1, "shortened_sources": 0, "dropped_turns": 2}


def test_trace_is_found_by_the_sdks_request_id(service: Service):
    reply = service.client.chat.completions.create(model="huozi-rag", messages=QUESTION)
    assert reply._request_id == reply.id
    trace: Any = service.client.get(f"/answers/{reply.id}", cast_to=object)
    assert (trace["id"], trace["mode"]) == (reply.id, "generated")
    service.follow(server_garbage("http://127.0.0.1:1/v1"))
    with pytest.raises(openai.InternalServerError) as caught:
        service.client.chat.completions.create(model="huozi-rag", messages=QUESTION)
    failed: Any = service.client.get(f"/answers/{caught.value.request_id}", cast_to=object)
    assert failed["error"]["step"] == "answer"


async def test_answer_is_the_same_when_asked_asynchronously(service: Service):
    async with openai.AsyncOpenAI(base_url=f"{service.address}/v1", api_key=KEY, max_retries=0) as client:
        whole = await client.chat.completions.create(model="huozi-rag", messages=QUESTION)
        stream = await client.chat.completions.create(model="huozi-rag", messages=QUESTION, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert whole.choices[0].message.content == text


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"model": "gpt-4o"}, openai.NotFoundError),
        ({"model": "huozi-rag", "n": 2}, openai.BadRequestError),
        ({"model": "huozi"}, openai.InternalServerError),
    ],
)
def test_sdk_raises_its_own_error_when_refused(service: Service, options: Any, error: type[openai.APIStatusError]):
    with pytest.raises(error) as caught:
        service.client.chat.completions.create(messages=QUESTION, **options)
    assert caught.value.code
    assert caught.value.type


@pytest.mark.parametrize("stream", [False, True])
def test_sdk_raises_not_found_when_the_collection_is_unknown(service: Service, stream: bool):
    service.follow(CollectionNotFoundError(Message("No 'x'.", "没有 'x'。")))
    with pytest.raises(openai.NotFoundError, match="没有 'x'"):
        service.client.chat.completions.create(model="huozi-rag/x", messages=QUESTION, stream=stream)


def test_sdk_raises_authentication_error_when_the_key_is_wrong(service: Service):
    with (
        openai.OpenAI(base_url=f"{service.address}/v1", api_key="hz-wrong", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.models.list()


def test_sdk_raises_after_the_text_when_the_stream_breaks_off(service: Service):
    service.follow(TextEvent("每年"), server_garbage("http://127.0.0.1:1/v1"))
    texts = []
    with pytest.raises(openai.APIError, match="输出中断") as caught:
        for chunk in service.client.chat.completions.create(model="huozi-rag", messages=QUESTION, stream=True):
            texts.append(chunk.choices[0].delta.content)
    assert "".join(texts) == "每年"
    assert caught.value.code == "model_server_garbage"


async def test_async_sdk_raises_after_the_text_when_the_stream_breaks_off(service: Service):
    service.follow(TextEvent("每年"), server_garbage("http://127.0.0.1:1/v1"))
    async with openai.AsyncOpenAI(base_url=f"{service.address}/v1", api_key=KEY, max_retries=0) as client:
        stream = await client.chat.completions.create(model="huozi-rag", messages=QUESTION, stream=True)
        with pytest.raises(openai.APIError, match="输出中断"):
            [chunk async for chunk in stream]


def test_work_stops_when_the_client_closes_the_stream(service: Service):
    service.follow(TextEvent("每年"), forever)
    stream = service.client.chat.completions.create(model="huozi-rag", messages=QUESTION, stream=True)
    next(iter(stream))
    assert not service.assistant.closed.is_set()
    stream.close()
    assert service.assistant.closed.wait(5)


def test_work_stops_when_the_client_times_out_before_the_first_text(service: Service):
    service.follow(forever)
    with pytest.raises(openai.APITimeoutError):
        service.client.with_options(timeout=0.3).chat.completions.create(model="huozi-rag", messages=QUESTION)
    assert service.assistant.closed.wait(5)


def test_models_and_collections_are_listed(service: Service):
    assert [model.id for model in service.client.models.list()] == ["huozi", "huozi-rag", "huozi-rag/人事制度"]
    assert service.client.models.retrieve("huozi-rag").id == "huozi-rag"
    (store,) = service.client.vector_stores.list()
    assert (store.name, store.file_counts.completed) == ("人事制度", 1)


def test_search_speaks_the_sdks_types(service: Service):
    from retrieval.models import ScoredChunk

    service.folder.retriever.hits = (ScoredChunk(service.folder.catalog.chunks["ch_1"], 0.9),)
    store = service.folder.catalog.collections[0].collection_id
    (hit,) = service.client.vector_stores.search(store, query="年假")
    assert (hit.file_id, hit.content[0].text) == ("doc_1", HANDBOOK)


def test_original_is_read_as_a_file(service: Service):
    assert service.client.files.content("doc_1").read().decode() == HANDBOOK


def test_real_folder_is_not_needed_when_parts_are_given(tmp_path: Path):
    app = create_app(settings(), folder=FakeFolder(tmp_path), assistant=ScriptedAssistant())  # type: ignore[arg-type]
    with running(app) as address, openai.OpenAI(base_url=f"{address}/v1", api_key="none") as client:
        assert client.models.list().data[0].id == "huozi"
