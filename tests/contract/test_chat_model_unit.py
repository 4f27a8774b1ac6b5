"""LangChain's standard unit suite on ChatHuozi, whole: no server, no socket."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.unit_tests import ChatModelUnitTests

from assistant import ChatHuozi

BASE_URL = "http://127.0.0.1:8000/v1"


@pytest.fixture(autouse=True)
def loadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `load` make our class.

    Users say `load(..., allowed_objects=[ChatHuozi])`. The suite's own call says "all", which means LangChain's list of
    the classes of its own packages.
    """
    load = import_module("langchain_core.load.load")  # the package has a function of that name
    ours = tuple(ChatHuozi.lc_id())
    paths = load._get_default_allowed_class_paths
    monkeypatch.setattr(load, "_get_default_allowed_class_paths", lambda kind: {*paths(kind), ours})


class TestChatHuoziUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatHuozi

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "huozi", "base_url": BASE_URL}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        environment = {
            "HUOZI_LLM__BASE_URL": "http://10.0.0.1:8000/v1",
            "HUOZI_LLM__MODEL": "活字",
            "HUOZI_LLM__API_KEY": "hz-test",
            "HUOZI_LLM__MAX_TOKENS": "77",
        }
        expected = {
            "openai_api_base": "http://10.0.0.1:8000/v1",
            "model_name": "活字",
            "openai_api_key": "hz-test",
            "max_tokens": 77,
        }
        return environment, {}, expected
