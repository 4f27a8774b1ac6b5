"""The model's own name for its role, in bytes that are passed on: OpenAI's clients know `assistant` alone (pure).

huozi's server is started with `--response-role 助手`. LangChain's ChatOpenAI, for one, then loses usage and tool
calls. Only the key with its value is replaced: inside a JSON string its quotes are escaped, so text stays as it is.
"""

from __future__ import annotations

import json

_KEY = b'"role":'
_OPENAI = _KEY + b'"assistant"'


class RoleMender:
    """Writes `assistant` for the model's role, wherever the bytes are cut.

    Args:
        role: The model's word, e.g. 助手.
    """

    def __init__(self, role: str) -> None:
        values = {json.dumps(role), json.dumps(role, ensure_ascii=False)}
        self._forms = [_KEY + gap + value.encode() for gap in (b"", b" ") for value in sorted(values)]
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Take more bytes; return what is settled: all but what may be the start of the role."""
        if not self._held and data.endswith(b"\n") and _KEY not in data:
            return data  # as nearly all events of a stream are
        pending = self._held + data
        for form in self._forms:
            pending = pending.replace(form, _OPENAI)
        keep = max(_overlap(pending, form) for form in self._forms)
        self._held = pending[len(pending) - keep :]
        return pending[: len(pending) - keep]

    def finish(self) -> bytes:
        """Return what was still held back; call once, at the end."""
        held, self._held = self._held, b""
        return held


def _overlap(data: bytes, form: bytes) -> int:
    """Return how many bytes at the end of `data` are a beginning of `form`."""
    return next((size for size in range(min(len(form) - 1, len(data)), 0, -1) if data.endswith(form[:size])), 0)
