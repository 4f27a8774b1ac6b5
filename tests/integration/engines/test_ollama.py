"""Ollama by its API's shape: our chat model on a server that replies as Ollama does."""

from __future__ import annotations

import openai
import pytest

from assistant import ChatHuozi
from tests.scripted_ollama import ANSWER, OllamaServer


def test_an_answer_and_its_usage_are_read_when_ollama_streams():
    with OllamaServer() as server:
        chunks = list(ChatHuozi(base_url=server.base_url).stream("年假？"))

    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert whole.content == "".join(ANSWER)
    assert whole.usage_metadata is not None and whole.usage_metadata["total_tokens"] == 34
    assert whole.response_metadata["finish_reason"] == "stop"


def test_an_answer_and_its_usage_are_read_when_ollama_does_not_stream():
    with OllamaServer() as server:
        message = ChatHuozi(base_url=server.base_url).invoke("年假？")

    assert message.content == "".join(ANSWER)
    assert message.usage_metadata is not None and message.usage_metadata["input_tokens"] == 26


def test_its_words_are_told_when_ollama_has_no_such_model():
    with OllamaServer() as server, pytest.raises(openai.NotFoundError) as caught:
        ChatHuozi(base_url=server.base_url, model="qwen").invoke("年假？")

    assert 'model "qwen" not found, try pulling it first' in str(caught.value)
