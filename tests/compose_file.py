"""`docker-compose.yml` as Docker Compose reads it, as far as ours goes: anchors, `${NAME:-default}`, profiles.

    services = read_services({"DEPLOY_GPUS": "1"}, profile="gpu")
    services["vllm"].argv

tests/image compares it with what the real Docker Compose makes of the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
COMPOSE_FILE = ROOT / "docker-compose.yml"


@dataclass(frozen=True)
class Service:
    """One service with everything filled in.

    Args:
        name: Its key, and its host name for the others.
        argv: Entrypoint and command.
        environment: What the file itself sets.
        health: The health check's command.
        depends_on: Services that must be healthy first.
        raw: The whole entry.
    """

    name: str
    argv: tuple[str, ...]
    environment: dict[str, str]
    health: tuple[str, ...]
    depends_on: tuple[str, ...]
    raw: dict[str, Any]


def interpolate(value: Any, env: Mapping[str, str]) -> Any:
    """Fill `${NAME:-default}` in every text of a value: the variable if it is set and not empty, else the default."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: env.get(found[1]) or found[2], value)
    if isinstance(value, list):
        return [interpolate(item, env) for item in value]
    if isinstance(value, dict):
        return {key: interpolate(item, env) for key, item in value.items()}
    return value


def read_file(env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the whole file, filled from `env` alone."""
    loaded: dict[str, Any] = interpolate(yaml.safe_load(COMPOSE_FILE.read_text("utf-8")), env or {})
    return loaded


def read_services(env: Mapping[str, str] | None = None, *, profile: str) -> dict[str, Service]:
    """Return the services of a profile, each after those that it waits for."""
    found = {
        name: Service(
            name,
            (*raw.get("entrypoint", ()), *raw["command"]),
            {key: str(value) for key, value in raw["environment"].items()},
            tuple(raw["healthcheck"]["test"][1:]),
            tuple(raw.get("depends_on", ())),
            raw,
        )
        for name, raw in read_file(env)["services"].items()
        if profile in raw["profiles"]
    }
    ordered: dict[str, Service] = {}
    while len(ordered) < len(found):
        ready = [one for one in found.values() if one.name not in ordered and set(one.depends_on) <= set(ordered)]
        assert ready, f"no service can start after {list(ordered)}"
        ordered.update((one.name, one) for one in ready)
    return ordered
