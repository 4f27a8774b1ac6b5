"""`huozi chat`: the same as `ask`, many turns."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from api.cli.ask import stream_answer
from api.cli.framework import collection_option, command, trace_option
from api.cli.language import Say
from api.cli.output import note
from api.cli.session import Session, session_of

if TYPE_CHECKING:
    from api.engine import Engine
    from assistant.events import Turn


def build(say: Say) -> click.Command:
    """Return the command."""
    return command(
        "chat",
        say,
        run,
        collection_option(say),
        trace_option(say),
        help=say(
            "连续对话。/new 重新开始，/quit 退出；回答时按 Ctrl-C 停止当前回答。",
            "Ask many questions in a row. /new starts over, /quit ends; Ctrl-C stops an answer.",
        ),
    )


def run(ctx: click.Context, collection: str, trace: bool) -> None:
    """Answer until the user has enough."""
    session = session_of(ctx)
    if sys.stdin.isatty():
        with suppress(ImportError):
            import readline  # noqa: F401 - gives `input` its editing keys
        note(session.say("直接提问。/new 重新开始，/quit 退出。", "Ask away. /new starts over, /quit ends."))
    with session.engine("chat") as engine:
        talk(engine, collection, session, trace=trace)


def talk(engine: Engine, collection: str, session: Session, *, trace: bool) -> None:
    """Read questions and answer them, each with the turns before it."""
    from assistant.events import Turn

    history: list[Turn] = []
    while (question := read_question(session.say)) is not None:
        if question in ("/quit", "/exit"):
            return
        if question == "/new":
            history.clear()
            note(session.say("已重新开始", "Started over"))
        elif question:
            answer = answer_turn(engine, question, history, collection, session, trace=trace)
            if answer is not None:
                history += [Turn("user", question), Turn("assistant", answer)]


def answer_turn(
    engine: Engine, question: str, history: list[Turn], collection: str, session: Session, *, trace: bool
) -> str | None:
    """Answer one question; None if it failed or was stopped: the conversation goes on."""
    from retrieval.errors import HuoziError

    try:
        text: str = stream_answer(engine, question, history, collection, session.say, trace=trace)["answer"]
    except KeyboardInterrupt:
        if not sys.stdin.isatty():
            raise
        note(session.say("\n（已停止）", "\n(stopped)"))
        return None
    except HuoziError as error:
        note(session.say("错误：", "Error: ") + error.render(session.language))
        return None
    return text


def read_question(say: Say) -> str | None:
    """Return the next line, or None at the end of the input."""
    prompt = say("\n问：", "\n> ") if sys.stdin.isatty() else ""
    try:
        return input(prompt).strip()
    except EOFError:
        return None
