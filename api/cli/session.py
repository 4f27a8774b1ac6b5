"""What every command is given: language, settings, and the engine that does the work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from api.cli.language import Say
from api.cli.output import note

if TYPE_CHECKING:
    from api.engine import Engine
    from api.settings import Settings
    from retrieval.errors import Language

OpenEngine = Callable[["Settings", str], "Engine"]


@dataclass
class Session:
    """One call of the command line.

    Args:
        language: Of help and messages.
        say: Chooses between two sentences.
        open_engine: Builds the engine; tests give their own.
        overrides: Variables given on the command line.
        debug: Whether to show tracebacks and the settings in effect.
    """

    language: Language
    say: Say
    open_engine: OpenEngine
    overrides: dict[str, str] = field(default_factory=dict)
    debug: bool = False

    def settings(self, overrides: Mapping[str, str] | None = None) -> Settings:
        """Read and check all settings.

        Raises:
            SettingsError: With everything that is wrong.
        """
        from api.settings import in_effect, load_settings

        settings = load_settings({**self.overrides, **(overrides or {})})
        if self.debug:
            for name, value in in_effect(settings).items():
                note(f"{name}={value}")
        return settings

    def engine(self, purpose: str) -> Engine:
        """Open what does the work; use it with `with`."""
        return self.open_engine(self.settings(), purpose)


def session_of(ctx: click.Context) -> Session:
    """Return the session of a command."""
    session: Session = ctx.find_root().obj
    return session


def real_engine(settings: Settings, purpose: str) -> Engine:
    """Open the data folder or reach its owner."""
    from api.engine import open_engine
    from api.wiring import settle

    engine = open_engine(settings, purpose=purpose)
    settle()
    return engine


def variable_name(name: str) -> str:
    """Return the full name of a setting: `port`, `llm.base_url` and `HUOZI_PORT` all mean one."""
    upper = name.strip().upper().replace(".", "__").replace("-", "_")
    return upper if upper.startswith("HUOZI_") else f"HUOZI_{upper}"
