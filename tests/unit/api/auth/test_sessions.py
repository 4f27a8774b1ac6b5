from __future__ import annotations

from api.auth.sessions import LIFETIME, Sessions


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_key_comes_back_when_the_session_lives():
    sessions = Sessions(Clock())
    assert sessions.key(sessions.open("hz-1")) == "hz-1"


def test_session_ends_when_it_is_not_used_for_its_lifetime():
    clock = Clock()
    sessions = Sessions(clock)
    session_id = sessions.open("hz-1")
    clock.now = LIFETIME - 1
    assert sessions.key(session_id) == "hz-1"
    clock.now += LIFETIME - 1
    assert sessions.key(session_id) == "hz-1"
    clock.now += LIFETIME + 1
    assert sessions.key(session_id) is None


def test_session_ends_when_it_is_closed():
    sessions = Sessions(Clock())
    session_id = sessions.open("hz-1")
    sessions.close(session_id)
    sessions.close("unknown")
    assert sessions.key(session_id) is None


def test_session_ids_differ_when_the_key_is_the_same():
    sessions = Sessions(Clock())
    assert sessions.open("hz-1") != sessions.open("hz-1")
