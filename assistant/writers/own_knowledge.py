"""The answer that the documents do not hold, from what the model knows: helpful mode only, and labelled as such."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import prompts
from assistant.checking.links import defuse
from assistant.checking.loops import LoopGuard
from assistant.checking.sentences import SentenceCutter, read_sentence
from assistant.control_tokens import neutralise
from assistant.conversation.plan import language_of
from assistant.errors import answer_empty, answer_repeats
from assistant.events import Answer, AnswerEvent, DoneEvent, SourcesEvent, TextEvent, Turn, Usage, UsageEvent
from assistant.finder import Finder, Found
from assistant.generate import Generator, Sampling
from assistant.precedence import Reader
from assistant.settings import AnswerSettings
from assistant.window.context import ContextWindow
from assistant.writers.generated import Ending
from retrieval.errors import Language

LABEL = {
    "zh": "以下不来自文档，是模型自己的知识，请自行核实：\n\n",
    "en": "What follows is not from the documents but the model's own knowledge; please check it yourself:\n\n",
}


async def recall(
    found: Found,
    window: ContextWindow,
    generator: Generator,
    sampling: Sampling,
    finder: Finder,
    settings: AnswerSettings,
    language: Language,
    reader: Reader,
) -> AsyncGenerator[AnswerEvent, None]:
    """Ask the model what it knows; every sentence of it counts as unsupported.

    Args:
        found: What was searched.
        window: What is sent; see `without_sources`.
        generator: Whose model is asked.
        sampling: What the request overrides.
        finder: As for the other ways to answer; not needed.
        settings: As above.
        language: Of the label, where the question's own is unclear.
        reader: As above.

    Raises:
        ModelServerError: The model gave no answer, or none that could be kept.
    """
    del finder, settings, reader
    retrieval = found.retrieval
    yield SourcesEvent((), "generated")
    label = LABEL[language_of(found.plan.question, language)]
    text, cutter, guard, ending = "", SentenceCutter(), LoopGuard(), Ending()
    async with aclosing(generator.stream(window.messages, sampling)) as pieces:
        async for piece in pieces:
            if shown := _shown(guard.pass_on(cutter.feed(ending.note(piece)), cutter.pending), text, label):
                text += shown
                yield TextEvent(shown)
            if guard.is_loop:
                ending.finish_reason = "length"
                break
    if shown := _shown(guard.rest(cutter.finish()), text, label):
        text += shown
        yield TextEvent(shown)
    if not text:
        url = generator.shown_url
        raise answer_repeats(url) if guard.is_loop else answer_empty(url, ending.finish_reason or "")
    if ending.usage is not None:
        yield UsageEvent(ending.usage)
    yield DoneEvent(
        Answer(
            question=found.plan.question,
            collection=retrieval.collection,
            text=text,
            mode="generated",
            citations=(),
            model=generator.model,
            retrieval=retrieval,
            usage=ending.usage or Usage(),
            finish_reason=ending.finish_reason or "stop",
            unsupported=((len(label), len(text)),) if len(text) > len(label) else (),
            cut=window.cut,
        )
    )


def without_sources(window: ContextWindow, question: str) -> ContextWindow:
    """Return a window with instructions and question for an answer that needs no sources; neither gets longer."""
    system, *history, _ = window.messages
    instructions = system.text.replace(prompts.load("answer").fill(), prompts.load("own_knowledge").fill(), 1)
    messages = (replace(system, text=instructions), *history, Turn("user", neutralise(question)))
    return replace(window, messages=messages)


def _shown(sentences: list[str], before: str, label: str) -> str:
    """Return sentences without markers, for there are no sources, and without anything active.

    The label comes with the first words: where none come, there is an error instead.
    """
    shown = ""
    for written in sentences:
        sentence = read_sentence(written)
        shown += defuse(sentence.prefix + sentence.text, before=before + shown)
    if before:
        return shown
    return label + shown.lstrip() if shown.strip() else ""
