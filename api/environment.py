"""The only reader of the environment: raw `HUOZI_*` variables, and switches that third parties read.

Light on purpose: `huozi --help` needs the language and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from retrieval.errors import Language, Message, SettingsError

PREFIX = "HUOZI_"
ENV_FILE = Path(".env")
LANGUAGE_VARIABLE = "HUOZI_LANG"
NOT_SETTINGS = frozenset({"HUOZI_EVAL_DIR"})
"""Variables with our prefix that the tests read, not the product."""

QUIET = {
    "ANONYMIZED_TELEMETRY": "False",
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}


def read_variables(env_file: Path = ENV_FILE, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return every `HUOZI_*` variable that is not empty; the environment wins over the file.

    Args:
        env_file: `NAME=value` lines; need not exist.
        environment: None: the process's own.

    Raises:
        SettingsError: If the file exists and cannot be read.
    """
    merged = {**_file_variables(env_file), **(os.environ if environment is None else environment)}
    named = {name.upper(): value for name, value in merged.items() if name.upper().startswith(PREFIX)}
    return {name: value for name, value in named.items() if value and name not in NOT_SETTINGS}


def interface_language() -> Language:
    """Return the language of help texts, before any setting is checked; Chinese unless English is asked for."""
    try:
        return "en" if read_variables().get(LANGUAGE_VARIABLE) == "en" else "zh"
    except SettingsError:
        return "zh"


def silence_third_parties() -> None:
    """Keep libraries from sending anything home; who wants their tracing sets their variables himself."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def process_environment() -> dict[str, str]:
    """Return the whole environment, for programs that are started from here."""
    return dict(os.environ)


def _file_variables(env_file: Path) -> dict[str, str]:
    if not env_file.is_file():
        return {}
    from io import StringIO

    from dotenv import dotenv_values

    try:
        text = env_file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(
            Message(en=f"{str(env_file)!r} cannot be read: {exc}.", zh=f"无法读取 {str(env_file)!r}：{exc}。"),
            hint=Message(
                en="Write NAME=value lines into it in UTF-8, or remove it.",
                zh="请用 UTF-8 在其中每行写一个 NAME=value，或删除它。",
            ),
        ) from exc
    return {name: value for name, value in dotenv_values(stream=StringIO(text)).items() if value is not None}
