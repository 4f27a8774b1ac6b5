"""Write what the code knows into the docs: settings, command help, `.env.example`.

    .venv/bin/python scripts/docs.py            (or `make docs`)

Only the text between `<!-- generated -->` and `<!-- /generated -->` is replaced, and what commands after
`<!-- output -->` print; tests/docs compares it with the code.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from pathlib import Path

import click
import yaml

ROOT = Path(__file__).parent.parent
START, END = "<!-- generated -->\n", "<!-- /generated -->\n"
WIDTH = 100
HELP_NAMES = ["-h", "--help"]
WITH_OUTPUTS = {ROOT / "docs/model.md": "en", ROOT / "docs/model.zh-CN.md": "zh"}
OUTPUT = re.compile(r"(<!-- output -->\n```console\n\$ huozi (.+)\n)(?:.*\n)*?```")


def settings_table() -> str:
    """Return every variable as rows of a Markdown table."""
    from api.settings import variables

    rows = [
        f"| `{name}` | {_default(variable.field)} | {variable.field.description} | {variable.allowed.en} |"
        for name, variable in variables().items()
    ]
    return "\n".join(["| variable | default | meaning | allowed |", "|---|---|---|---|", *rows]) + "\n"


def env_example() -> str:
    """Return `.env.example`: every variable, commented out, with its default; those of docker-compose.yml last."""
    from api.settings import variables

    lines = ["# Copy to .env and take the # away where you want something else. docs/settings.md says more.", ""]
    for name, variable in variables().items():
        lines += [f"# {variable.field.description}", f"#{name}={_plain_default(variable.field)}", ""]
    lines += ["# From here on: for docker compose alone. docs/deploy.md says more.", ""]
    for name, (description, default) in compose_variables((ROOT / "docker-compose.yml").read_text("utf-8")).items():
        # Which services run has no default that the file itself could hold.
        line = f"{name}=gpu" if name == "COMPOSE_PROFILES" else f"#{name}={default}"
        lines += [f"# {description}", line, ""]
    return "\n".join(lines)


def compose_variables(text: str) -> dict[str, tuple[str, str]]:
    """Return a compose file's own variables: what `x-variables` says of each, and the default where it is used."""
    defaults = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", text))
    return {name: (told, defaults.get(name, "")) for name, told in yaml.safe_load(text)["x-variables"].items()}


def commands_help() -> str:
    """Return the help of every command, in English."""
    from api.cli import build_cli
    from api.cli.language import speaker

    root = build_cli(speaker("en"))
    parts = [
        f"## {path}\n\n```text\n{text}\n```\n"
        for path, text in _helps(root, click.Context(root, info_name="huozi", help_option_names=HELP_NAMES))
    ]
    return "\n".join(parts)


def generated() -> dict[Path, str]:
    """Return each generated part by its file."""
    return {ROOT / "docs/settings.md": settings_table(), ROOT / "docs/commands.md": commands_help()}


def replaced(text: str, part: str) -> str:
    """Return a document with its generated part renewed."""
    head, start, rest = text.partition(START)
    _, end, tail = rest.partition(END)
    if not start or not end:
        raise ValueError(f"no {START.strip()} ... {END.strip()}")
    return f"{head}{START}\n{part}\n{END}{tail}"


def with_outputs(text: str, language: str) -> str:
    """Return a document with what every command after `<!-- output -->` prints now, where nothing is set."""
    return OUTPUT.sub(lambda found: found[1] + _output(found[2], language) + "```", text)


def main() -> int:
    """Renew all."""
    for path, part in generated().items():
        path.write_text(replaced(path.read_text("utf-8"), part), "utf-8")
    for path, language in WITH_OUTPUTS.items():
        path.write_text(with_outputs(path.read_text("utf-8"), language), "utf-8")
    (ROOT / ".env.example").write_text(env_example(), "utf-8")
    return 0


def _output(typed: str, language: str) -> str:
    from api.cli import run

    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("HUOZI_")}
    shown = io.StringIO()
    try:
        with (
            tempfile.TemporaryDirectory() as empty,
            contextlib.chdir(empty),
            contextlib.redirect_stdout(shown),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            run(["--lang", language, *shlex.split(typed)])
    finally:
        os.environ.update(kept)
    return shown.getvalue()


def _helps(command: click.Command, ctx: click.Context) -> list[tuple[str, str]]:
    ctx.terminal_width = ctx.max_content_width = WIDTH
    found = [(ctx.command_path, command.get_help(ctx))]
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            assert inner is not None
            context = click.Context(inner, info_name=name, parent=ctx, help_option_names=HELP_NAMES)
            found += _helps(inner, context)
    return found


def _plain_default(field: object) -> str:
    from api.settings import FieldInfo

    assert isinstance(field, FieldInfo)
    if field.default_factory_takes_validated_data:
        return ""
    if field.default_factory is not None:
        return "e5"
    return "" if field.default is None else str(field.default)


def _default(field: object) -> str:
    if getattr(field, "default_factory_takes_validated_data", False):
        return "the profile's"
    shown = _plain_default(field)
    return f"`{shown}`" if shown else "unset"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
