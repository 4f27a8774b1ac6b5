"""LangChain's standard integration suite, told once what ChatHuozi can do; each server's test file adds its address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests

from assistant import ChatHuozi


class ChatHuoziSuite(ChatModelIntegrationTests):
    """What holds on every server: text, tools, JSON, usage; no images, PDFs or sound, for huozi reads text alone."""

    @pytest.fixture(autouse=True)
    async def _use(self, base_url: str) -> AsyncIterator[None]:
        """Take the server's address, with `/v1`, from the test file's fixture `base_url`.

        Each test has its own event loop and leaves its models behind, so connections are the fixture's to close.
        """
        self.base_url = base_url
        async with openai.DefaultAsyncHttpxClient() as self.http_async_client:
            yield

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatHuozi

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "huozi", "base_url": self.base_url, "http_async_client": self.http_async_client}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        """Content written for Claude (tool-use and thinking blocks) is history that other agents hand over."""
        return True
