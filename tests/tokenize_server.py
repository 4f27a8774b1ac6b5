"""The token calls of vLLM and llama.cpp over the tiny model's tokenizer, without the model: its counts are real."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Literal

from tokenizers import Tokenizer

from assistant.template import render
from tests.loopback import JsonHandler, LoopbackServer
from tests.tiny_mixtral import sample_texts, vocabulary, write_tokenizer

Shape = Literal["vllm", "llama.cpp", "none"]

_lock = threading.Lock()


def tokenizer_file(folder: Path) -> Path:
    """Return the tiny model's tokenizer.json, written once into a folder."""
    path = folder / "tokenizer.json"
    with _lock:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_tokenizer(folder, vocabulary(sample_texts()))
    return path


class TokenizeServer(LoopbackServer):
    """Counts tokens as vLLM or llama.cpp does, or not at all.

    Args:
        file: A tokenizer.json.
        shape: Whose calls it has.
        window: What it tells of its window, in tokens.
        template: Its chat template.

    Attributes:
        calls: Requests for counts.
        down: Whether it answers them with 503.
        seams: Tokens that a whole conversation has more than its parts: for tokenizers whose parts do not add up.
    """

    def __init__(
        self, file: Path, shape: Shape = "vllm", *, window: int = 32_768, template: str | Path = "huozi"
    ) -> None:
        super().__init__(type("Handler", (_Handler,), {"fake": self}))
        self.tokenizer = Tokenizer.from_file(str(file))
        self.shape = shape
        self.window = window
        self.template = template
        self.calls: list[dict[str, Any]] = []
        self.down = False
        self.seams = 0

    def ids(self, text: str) -> list[int]:
        """Return a text's tokens; control tokens in it count as such."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def size(self, messages: Any) -> int:
        """Return the tokens of a conversation of turns."""
        plain = [{"role": turn.role, "content": turn.text} for turn in messages]
        return len(self.ids(render(plain, template=self.template)))


class _Handler(JsonHandler):
    fake: TokenizeServer

    def do_GET(self) -> None:
        fake = self.fake
        known = {"id": "huozi", "object": "model", "owned_by": fake.shape}
        if fake.shape == "vllm":
            known["max_model_len"] = fake.window  # type: ignore[assignment] # JSON of mixed values
        found: dict[str, Any] = {"/v1/models": {"object": "list", "data": [known]}}
        if fake.shape == "llama.cpp":
            found["/props"] = {"default_generation_settings": {"n_ctx": fake.window}}
        self.reply(200 if self.path in found else 404, found.get(self.path, {"error": {"message": "not found"}}))

    def do_POST(self) -> None:
        body = self.read_json()
        fake = self.fake
        if self.path == "/tokenize":
            fake.calls.append(body)
        if fake.down:
            self.reply(503, {"error": {"message": "loading"}})
        elif fake.shape == "vllm" and self.path == "/tokenize":
            self.reply(200, self._of_vllm(body))
        elif fake.shape == "llama.cpp" and self.path == "/apply-template":
            self.reply(200, {"prompt": render(body["messages"], template=fake.template)})
        elif fake.shape == "llama.cpp" and self.path == "/tokenize":
            ids = fake.ids(body.get("content", ""))
            named = [{"id": one, "piece": fake.tokenizer.id_to_token(one)} for one in ids]
            self.reply(200, {"tokens": named if body.get("with_pieces") else ids})
        else:
            self.reply(404, {"error": {"message": "not found"}})

    def _of_vllm(self, body: dict[str, Any]) -> dict[str, Any]:
        fake = self.fake
        is_chat = "messages" in body
        ids = fake.ids(render(body["messages"], template=fake.template) if is_chat else body["prompt"])
        strings = [fake.tokenizer.id_to_token(one) for one in ids] if body.get("return_token_strs") else None
        more = fake.seams if is_chat and strings is None else 0
        return {"count": len(ids) + more, "max_model_len": fake.window, "tokens": ids, "token_strs": strings}
