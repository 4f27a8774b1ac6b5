"""A model server that reads its prompt: it repeats a sentence, and cites the source that holds it by its number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tests.servers import FakeModelServer

_SOURCE = re.compile(r"^\[(\d+)\] (.*?)(?=^\[\d+\] |^</资料>)", re.MULTILINE | re.DOTALL)


class CitingServer(FakeModelServer):
    """Set `says` before each question; a sentence that no source holds is not cited."""

    says = ""

    @property
    def script(self) -> tuple[str, ...]:
        held = sources(self.requests[-1]["messages"][-1]["content"]) if self.requests else {}
        return (self.says + "".join(f"[{number}]" for number, text in held.items() if self.says in text),)

    @script.setter
    def script(self, given: Sequence[Any]) -> None:
        del given

    def sent(self, request: int = -1) -> list[str]:
        """Return the texts of the messages of a request, the last one unless told."""
        return [message["content"] for message in self.requests[request]["messages"]]


def sources(message: str) -> dict[int, str]:
    """Return the sources of a prompt's last turn by number, each with its first line."""
    return {int(number): text for number, text in _SOURCE.findall(message)}
