"""Conversation -> what to search for, or what to say without searching."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from assistant.checking.support import has_han
from assistant.conversation.follow_up import plan_search
from assistant.conversation.rewrite import Rewriter
from assistant.conversation.search import Search
from assistant.conversation.small_talk import reply_to
from assistant.conversation.split import split
from assistant.events import Turn
from retrieval.errors import Language


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about a question.

    Args:
        question: As asked, trimmed.
        searches: What to search for: the question, then its parts where it is over several facts; none where `reply`
            says it all.
        reply: What to say without looking anything up: to a greeting, thanks, a question about the assistant.
        rewritten: The question made self-contained by a model, and checked; searched beside the question itself.
    """

    question: str
    searches: tuple[Search, ...]
    reply: str | None = None
    rewritten: str | None = None


class Planner:
    """Plans a question from its conversation.

    Args:
        language: Of replies, where the question's own is unclear.
        rewriter: Makes follow-ups self-contained; without one they are searched with the turns that they lean on.
    """

    def __init__(self, language: Language = "zh", rewriter: Rewriter | None = None) -> None:
        self._language = language
        self._rewriter = rewriter

    async def plan(self, question: str, history: Sequence[Turn]) -> Plan:
        """Return what to search for, or what to say."""
        reply = reply_to(question, language_of(question, self._language))
        if reply is not None:
            return Plan(question, (), reply)
        whole = plan_search(question, history)
        return Plan(question, (whole, *parts_of(whole)), rewritten=await self._rewrite(whole, question, history))

    async def _rewrite(self, whole: Search, question: str, history: Sequence[Turn]) -> str | None:
        """Ask the model only where the question leans on what was said, and its words are to be searched."""
        if self._rewriter is None or not whole.context or whole.question != question:
            return None
        return await self._rewriter.rewrite(question, history, whole.context)


def parts_of(whole: Search) -> tuple[Search, ...]:
    """Return a search for each fact of a question over several; each leans on what the whole leans on."""
    return tuple(replace(part, context=(*part.context, *whole.context)) for part in split(whole.question))


def language_of(question: str, default: Language) -> Language:
    """Return the language to answer in: Chinese for any Chinese character, English for Latin letters alone."""
    if has_han(question):
        return "zh"
    return "en" if re.search(r"[A-Za-z]{2}", question) else default
