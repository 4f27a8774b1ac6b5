"""Browser sessions: an API key exchanged for an opaque cookie, kept in memory alone."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

COOKIE = "huozi_session"
LIFETIME = 7 * 24 * 3600.0
"""Seconds that a session lives without being used."""
MAX_SESSIONS = 10_000


class Sessions:
    """Session id -> API key. The key is verified again on each request, so a revoked one ends its sessions.

    Args:
        clock: Seconds; a test passes its own.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._keys: dict[str, tuple[str, float]] = {}

    def open(self, key: str) -> str:
        """Return a new session's id."""
        self._forget_old()
        session_id = secrets.token_urlsafe(32)
        self._keys[session_id] = (key, self._clock() + LIFETIME)
        return session_id

    def key(self, session_id: str) -> str | None:
        """Return the session's API key and prolong it; None if there is no such session."""
        held = self._keys.get(session_id)
        if held is None or held[1] < self._clock():
            self._keys.pop(session_id, None)
            return None
        self._keys[session_id] = (held[0], self._clock() + LIFETIME)
        return held[0]

    def close(self, session_id: str) -> None:
        """Forget a session; an unknown one is no error."""
        self._keys.pop(session_id, None)

    def _forget_old(self) -> None:
        now = self._clock()
        for session_id in [name for name, (_, until) in self._keys.items() if until < now]:
            del self._keys[session_id]
        while len(self._keys) >= MAX_SESSIONS:
            del self._keys[next(iter(self._keys))]
