"""`huozi ask QUESTION`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import click

from api.cli.framework import collection_option, command, json_option, question_argument, trace_option
from api.cli.language import Say
from api.cli.output import note, out, out_json, place
from api.cli.session import session_of
from api.cli.trace import trace_text

if TYPE_CHECKING:
    from collections.abc import Generator

    from api.engine import Engine
    from assistant.events import Turn


KEYS = (
    "question", "answer", "refused", "citations", "usage", "model", "mode", "collection", "unsupported", "answer_id",
    "trace",
)  # fmt: skip
"""What `--json` prints, `trace` only if asked for."""


def build(say: Say) -> click.Command:
    """Return the command."""
    return command(
        "ask",
        say,
        run,
        question_argument(say),
        collection_option(say),
        trace_option(say),
        json_option(say),
        help=say(
            "提问，回答输出到标准输出，出处（标题、页码、原文）输出到标准错误。",
            "Ask: the answer goes to stdout, its sources (title, page, quote) to stderr.",
        ),
    )


def run(ctx: click.Context, question: tuple[str, ...], collection: str, trace: bool, as_json: bool) -> None:
    """Answer one question."""
    session = session_of(ctx)
    with session.engine("ask") as engine:
        asked = " ".join(question)
        answer = stream_answer(engine, asked, (), collection, session.say, quiet=as_json, trace=trace)
    if as_json:
        out_json({key: answer[key] for key in KEYS if key in answer})


def stream_answer(
    engine: Engine,
    question: str,
    history: Sequence[Turn],
    collection: str,
    say: Say,
    *,
    quiet: bool = False,
    trace: bool = False,
) -> dict[str, Any]:
    """Write an answer as it comes, then its sources; returns the whole answer.

    Args:
        engine: Answers.
        question: As asked.
        history: Earlier turns, oldest first.
        collection: Its name.
        say: The user's language.
        quiet: Write nothing.
        trace: Also how it came about, even if it fails; as `trace` in what is returned.
    """
    # Closing the events stops the model's work, whatever ends this loop.
    events = cast("Generator[dict[str, Any]]", engine.ask(question, history, collection, trace=trace))
    with closing(events):
        writer = _Writer(say, quiet=quiet)
        try:
            answer = writer.follow(events)
        except BaseException:
            writer.end_line()
            writer.show_trace()
            raise
    writer.end_line()
    if not quiet:
        show_sources(answer, say)
    writer.show_trace()
    return answer if writer.trace is None else {**answer, "trace": writer.trace}


class _Writer:
    """Writes an answer's text as it comes."""

    def __init__(self, say: Say, *, quiet: bool) -> None:
        self._say = say
        self._quiet = quiet
        self._is_line_open = False
        self.trace: dict[str, Any] | None = None

    def follow(self, events: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """Write what the events bring, and return the answer that they end with."""
        for event in events:
            if event["type"] == "done":
                answer: dict[str, Any] = event["answer"]
                return answer
            self.take(event)
        raise AssertionError("an answer ends with `done`, or raises")

    def take(self, event: dict[str, Any]) -> None:
        """Write what an event brings."""
        if event["type"] == "trace":
            self.trace = event["trace"]
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

    def show_trace(self) -> None:
        """Write how the answer came about, if that was asked for."""
        if self.trace is not None and not self._quiet:
            note("\n" + trace_text(self.trace, self._say))


def show_sources(answer: dict[str, Any], say: Say) -> None:
    """Write the citations: number, place and quote."""
    if answer["citations"]:
        note("\n" + say("出处：", "Sources:"))
    for citation in answer["citations"]:
        note(f"[{citation['index']}] {place(citation, say)}")
        note("    " + say("“{}”", "“{}”").format(" ".join(citation["quote"].split())))
