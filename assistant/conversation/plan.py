"""Conversation -> what to search for, or what to say without searching."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.checking.support import has_han
from assistant.conversation.follow_up import Search, plan_search
from assistant.conversation.small_talk import reply_to
from assistant.events import Turn
from retrieval.errors import Language


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about a question.

    Args:
        question: As asked, trimmed.
        searches: What to search for; several for a question over several facts, none where `reply` says it all.
        reply: What to say without looking anything up: to a greeting, thanks, a question about the assistant.
        rewritten: The question made self-contained by a model.
    """

    question: str
    searches: tuple[Search, ...]
    reply: str | None = None
    rewritten: str | None = None


class Planner:
    """Plans a question from its conversation.

    Args:
        language: Of replies, where the question's own is unclear.
    """

    def __init__(self, language: Language = "zh") -> None:
        self._language = language

    async def plan(self, question: str, history: Sequence[Turn]) -> Plan:
        """Return what to search for, or what to say."""
        reply = reply_to(question, language_of(question, self._language))
        if reply is not None:
            return Plan(question, (), reply)
        return Plan(question, (plan_search(question, history),))


def language_of(question: str, default: Language) -> Language:
    """Return the language to answer in: Chinese for any Chinese character, English for Latin letters alone."""
    if has_han(question):
        return "zh"
    return "en" if re.search(r"[A-Za-z]{2}", question) else default
