"""A package `vllm` for the batch child: it answers with the question, refuses what is long, and can die."""

from __future__ import annotations

from pathlib import Path

SOURCE = """
import os
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).parent

class SamplingParams(SimpleNamespace):
    pass

class LLM:
    def __init__(self, **arguments):
        print("loading", arguments["model"], flush=True)
        if (HERE / "broken").exists():
            raise RuntimeError("CUDA out of memory")

    def chat(self, conversations, sampling, *, use_tqdm, chat_template, chat_template_content_format):
        assert "beginofutterance" in chat_template
        with (HERE / "asked").open("a") as file:
            file.write(f"{len(conversations)}\\n")
        if any(len(one[-1]["content"]) > 20 for one in conversations):
            from vllm.exceptions import VLLMClientError
            raise VLLMClientError("maximum context length is 20 tokens.\\nmore")
        if any(one[-1]["content"] == "die" for one in conversations):
            os._exit(3)
        return [
            SimpleNamespace(
                prompt_token_ids=[1, 2],
                outputs=[SimpleNamespace(text="答" + one[-1]["content"], finish_reason="stop", token_ids=[3])],
            )
            for one, _ in zip(conversations, sampling, strict=True)
        ]
"""


def install(folder: Path) -> Path:
    """Write the package; return the folder for PYTHONPATH."""
    package = folder / "vllm"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(SOURCE, "utf-8")
    (package / "exceptions.py").write_text("class VLLMClientError(Exception):\n    pass\n")
    return folder
