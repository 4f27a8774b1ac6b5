"""A server that lists models and renders a chat template, and does nothing else: for tests of what a server is.

    with TemplateServer(template=path) as server:
        probe(LlmSettings(base_url=server.base_url))

Its tokens are the code points of the rendered text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from assistant.template import render
from tests.loopback import JsonHandler, LoopbackServer

NO_TEMPLATE = (
    "As of transformers v4.44, default chat template is no longer allowed, so you must provide a chat template if the "
    "tokenizer does not define one."
)
"""What vLLM 0.32 says where neither the model nor its command line brings a template."""


class TemplateServer(LoopbackServer):
    """The server; use it with `with`.

    Args:
        template: Its chat template; None: it has none.
        engine: Whose routes it has: vLLM's `/tokenize`, llama.cpp's `/apply-template`, or neither.
        models: Names that it lists.
        window: Its window in tokens; None: it does not say.
        status: HTTP status of its list of models.

    Attributes:
        asked: Paths that were asked for, in order.
        keys: Their `Authorization` headers.
    """

    def __init__(
        self,
        template: Path | None = None,
        *,
        engine: Literal["vllm", "llamacpp", "other"] = "vllm",
        models: tuple[str, ...] = ("huozi",),
        window: int | None = 32_768,
        status: int = 200,
    ) -> None:
        super().__init__(type("Handler", (_Handler,), {"owner": self}))
        self.template = template
        self.engine = engine
        self.status = status
        self.models = [
            {"id": name, "object": "model", "owned_by": engine} | ({} if window is None else {"max_model_len": window})
            for name in models
        ]
        self.asked: list[str] = []
        self.keys: list[str | None] = []


class _Handler(JsonHandler):
    owner: TemplateServer

    def do_GET(self) -> None:
        self._note()
        owner = self.owner
        if self.path != "/v1/models":
            self.reply(404, {"detail": "Not Found"})
        elif owner.status != 200:
            self.reply(owner.status, {"error": {"message": "no list today", "code": owner.status}})
        else:
            self.reply(200, {"object": "list", "data": owner.models})

    def do_POST(self) -> None:
        self._note()
        body = self.read_json()
        if (self.path, self.owner.engine) == ("/tokenize", "vllm"):
            self._tokenize(body)
        elif (self.path, self.owner.engine) == ("/tokenize", "llamacpp"):
            self.reply(200, {"tokens": []})
        elif (self.path, self.owner.engine) == ("/apply-template", "llamacpp"):
            assert self.owner.template is not None
            self.reply(200, {"prompt": render(body["messages"], template=self.owner.template)})
        else:
            self.reply(404, {"detail": "Not Found"})

    def _tokenize(self, body: dict[str, Any]) -> None:
        if "messages" in body and self.owner.template is None:
            self.reply(400, {"error": {"message": NO_TEMPLATE, "type": "BadRequestError", "param": None, "code": 400}})
            return
        text = body["prompt"] if "prompt" in body else render(body["messages"], template=self.owner.template or "")
        self.reply(200, {"count": len(text), "max_model_len": 32_768, "tokens": [ord(char) for char in text]})

    def _note(self) -> None:
        self.owner.asked.append(self.path)
        self.owner.keys.append(self.headers.get("Authorization"))
