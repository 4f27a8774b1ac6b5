"""A question and what was said before it -> what to search for (pure).

A follow-up is searched with the turn that named its subject: the newest earlier question that does not lean itself,
however many turns ago. What was answered last is added where the question surely lacks a subject, for the answer may
have named it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from assistant.conversation.alike import without_rival
from assistant.conversation.leaning import (
    asks_for_more,
    leans_on_history,
    needs_subject,
    only_continues,
    speaks_of_answer,
)
from assistant.conversation.ordinals import resolve_ordinal
from assistant.conversation.search import Search
from assistant.conversation.small_talk import is_small_talk
from assistant.events import Turn

MAX_TURNS_BACK = 12
"""Earlier user turns that are looked at for a subject."""

_ANSWER_CHARS = 60
_QUESTION_CHARS = 200  # a pasted document as an earlier turn would drown the question
_CONTINUED_CHARS = 1_000  # retrieval takes no question without end
_LESS = ""  # in the first place of a context, it lets what follows weigh less
_MARKERS = re.compile(r"\[\d+\]")


def plan_search(question: str, history: Sequence[Turn]) -> Search:
    """Return what to search for: the question, and what it leans on."""
    if asks_for_more(question):
        return _continued(question, history)
    named = resolve_ordinal(question, _last(history, "assistant"))
    if named is None and not leans_on_history(question):
        return Search(question)
    subject = subject_turn(history)
    if subject is None:
        return Search(named or question)
    if named is not None:
        return Search(named, (subject,))
    if not needs_subject(question):
        return Search(question, (_LESS, without_rival(question, subject) if only_continues(question) else subject))
    answer = _MARKERS.sub("", _last(history, "assistant")).strip()[:_ANSWER_CHARS]
    context = (answer, subject) if speaks_of_answer(question, _last(history, "user")) else (subject, answer)
    return Search(question, tuple(text for text in context if text))


def subject_turn(history: Sequence[Turn]) -> str | None:
    """Return the newest user turn that names its own subject; the oldest one looked at if none does."""
    told = (turn.text.strip()[:_QUESTION_CHARS] for turn in reversed(history) if turn.role == "user")
    asked = (text for text in told if text and not asks_for_more(text) and not is_small_talk(text))
    looked_at = list(islice(asked, MAX_TURNS_BACK))
    return next((text for text in looked_at if not needs_subject(text)), looked_at[-1] if looked_at else None)


def _continued(question: str, history: Sequence[Turn]) -> Search:
    """Search again for the newest question that had content; the answer so far would only find itself."""
    for index in range(len(history) - 1, -1, -1):
        turn = history[index]
        text = turn.text.strip()[:_CONTINUED_CHARS]
        if turn.role == "user" and text and not asks_for_more(text) and not is_small_talk(text):
            return plan_search(text, history[:index])
    return Search(question)


def _last(history: Sequence[Turn], role: str) -> str:
    return next((turn.text for turn in reversed(history) if turn.role == role), "")
