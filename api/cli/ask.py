"""`huozi ask QUESTION`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import click

from api.cli.framework import collection_option, command, json_option, question_argument
from api.cli.language import Say
from api.cli.output import note, out, out_json, place
from api.cli.session import session_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from api.engine import Engine
    from assistant.events import Turn


def build(say: Say) -> click.Command:
    """Return the command."""
    return command(
        "ask",
        say,
        run,
        question_argument(say),
        collection_option(say),
        json_option(say),
        help=say(
            "提问，回答输出到标准输出，出处（标题、页码、原文）输出到标准错误。",
            "Ask: the answer goes to stdout, its sources (title, page, quote) to stderr.",
        ),
    )


def run(ctx: click.Context, question: tuple[str, ...], collection: str, as_json: bool) -> None:
    """Answer one question."""
    session = session_of(ctx)
    with session.engine("ask") as engine:
        answer = stream_answer(engine, " ".join(question), (), collection, session.say, quiet=as_json)
    if as_json:
        keys = ("question", "answer", "refused", "citations", "usage", "model", "mode", "collection")
        out_json({key: answer[key] for key in keys})


def stream_answer(
    engine: Engine, question: str, history: Sequence[Turn], collection: str, say: Say, *, quiet: bool = False
) -> dict[str, Any]:
    """Write an answer as it comes, then its sources; returns the whole answer.

    Args:
        engine: Answers.
        question: As asked.
        history: Earlier turns, oldest first.
        collection: Its name.
        say: The user's language.
        quiet: Write nothing.
    """
    # Closing the events stops the model's work, whatever ends this loop.
    with closing(cast("Generator[dict[str, Any]]", engine.ask(question, history, collection))) as events:
        writer = _Writer(say, quiet=quiet)
        try:
            for event in events:
                if event["type"] == "done":
                    answer: dict[str, Any] = event["answer"]
                    break
                writer.take(event)
        finally:
            writer.end_line()
    if not quiet:
        show_sources(answer, say)
    return answer


class _Writer:
    """Writes an answer's text as it comes."""

    def __init__(self, say: Say, *, quiet: bool) -> None:
        self._say = say
        self._quiet = quiet
        self._is_line_open = False

    def take(self, event: dict[str, Any]) -> None:
        """Write what an event brings."""
        if self._quiet:
            return
        if event["type"] == "text":
            self._is_line_open = True
            out(event["text"], end="")
        elif event["type"] == "sources" and event["mode"] == "extractive":
            note(self._say("（未连接模型，以下摘自原文）", "(no model is connected: quoted from the documents)"))

    def end_line(self) -> None:
        """End the line of a text, also of one that broke off."""
        if self._is_line_open:
            self._is_line_open = False
            out("")


def show_sources(answer: dict[str, Any], say: Say) -> None:
    """Write the citations: number, place and quote."""
    if answer["citations"]:
        note("\n" + say("出处：", "Sources:"))
    for citation in answer["citations"]:
        note(f"[{citation['index']}] {place(citation, say)}")
        note("    " + say("“{}”", "“{}”").format(" ".join(citation["quote"].split())))
