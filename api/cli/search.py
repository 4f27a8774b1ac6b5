"""`huozi search QUESTION`."""

from __future__ import annotations

import click

from api.cli.framework import collection_option, command, json_option, question_argument
from api.cli.language import Say
from api.cli.output import note, out, out_json, place
from api.cli.session import session_of


def build(say: Say) -> click.Command:
    """Return the command."""
    return command(
        "search",
        say,
        run,
        question_argument(say),
        collection_option(say),
        click.Option(
            ["-k", "--top-k"],
            type=click.IntRange(1, 100),
            default=5,
            metavar=say("个数", "N"),
            help=say("最多返回几个片段，默认 5", "most chunks to show, 5 where it is left out"),
        ),
        click.Option(
            ["--filter", "filters"],
            multiple=True,
            metavar="KEY=VALUE",
            help=say(
                "只在符合条件的文档中找（title、source、media_type 或元数据）；可多次",
                "only documents whose title, source, media_type or metadata equal this; may be repeated",
            ),
        ),
        json_option(say),
        help=say("检索，只列出找到的片段，不作回答。", "Find chunks, without an answer."),
    )


def run(
    ctx: click.Context,
    question: tuple[str, ...],
    collection: str,
    top_k: int,
    filters: tuple[str, ...],
    as_json: bool,
) -> None:
    """Search and show the hits."""
    session = session_of(ctx)
    pairs = read_filters(filters, session.say)
    with session.engine("search") as engine:
        found = engine.search(" ".join(question), collection, top_k, pairs)
    if as_json:
        out_json(found)
        return
    if not found["hits"]:
        note(session.say("没有找到相关内容", "Nothing was found"))
    for number, hit in enumerate(found["hits"], 1):
        out(f"{number}. {place(hit, session.say)}  ({hit['score']:.3f})")
        out("   " + hit["text"].strip().replace("\n", "\n   ") + "\n")


def read_filters(filters: tuple[str, ...], say: Say) -> dict[str, str]:
    """Return KEY=VALUE words as pairs.

    Raises:
        click.UsageError: If one has another form.
    """
    pairs = {}
    for word in filters:
        key, sign, value = word.partition("=")
        if not sign or not key.strip():
            raise click.UsageError(say(f"--filter {word!r}：应写成 KEY=VALUE", f"--filter {word!r}: write KEY=VALUE"))
        pairs[key.strip()] = value
    return pairs
