"""`huozi model serve --engine transformers`: the real server, with the tiny model, on the CPU."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from assistant import ChatHuozi
from assistant.serving.probe import probe
from assistant.settings import LlmSettings
from tests.integration.engines.served import Served, served
from tests.tiny_mixtral import build


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("transformers")
    with served(folder / "data", "--engine", "transformers", "--source", str(build(folder / "tiny"))) as one:
        yield one


def test_an_answer_ends_with_the_turn_when_no_stop_id_is_sent(model: Served):
    body = {"model": "huozi", "messages": [{"role": "user", "content": "年假有几天？"}], "max_tokens": 200}
    reply = httpx.post(f"{model.url}/v1/chat/completions", json=body | {"temperature": 0}, timeout=120).json()

    choice = reply["choices"][0]
    assert choice["finish_reason"] == "stop" and choice["message"]["content"].endswith("[1]。")
    # <|beginofutterance|>用户\n...: our template, in which a chat of this length has 17 tokens and no BOS.
    assert reply["usage"]["prompt_tokens"] == 17


def test_chat_huozi_streams_when_it_is_set_up_as_the_command_says(model: Served):
    chat = ChatHuozi(base_url=model.settings["HUOZI_LLM__BASE_URL"], send_stop_ids=False, temperature=0)
    chunks = list(chat.stream("年假有几天？"))

    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert str(whole.content).endswith("[1]。")
    assert whole.usage_metadata is not None and whole.usage_metadata["input_tokens"] == 17


def test_the_probe_finds_the_model_when_it_is_set_up_as_the_command_says(model: Served):
    report = probe(LlmSettings(base_url=model.settings["HUOZI_LLM__BASE_URL"], send_stop_ids=False))

    assert report.served == ("huozi",)
    assert report.problems == ()


def test_the_server_ends_with_the_command_when_it_is_interrupted(tmp_path: Path, model: Served):
    code = model.stop(signal.SIGINT)

    assert code == 130
    assert model.settings["HUOZI_LLM__SEND_STOP_IDS"] == "false"
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{model.url}/health")
