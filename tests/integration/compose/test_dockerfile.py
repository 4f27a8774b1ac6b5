"""The Dockerfile against the project; `make test-image` builds it for real."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import pytest

from tests.compose_file import ROOT

LINES = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ").splitlines()
STEPS = [line for line in LINES if line and not line.startswith("#")]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES = set(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])


def position(pattern: str) -> int:
    """Return which step matches first."""
    return next(i for i, step in enumerate(STEPS) if re.search(pattern, step))


def last_stage() -> list[str]:
    return STEPS[max(i for i, step in enumerate(STEPS) if step.startswith("FROM")) :]


def test_every_package_is_copied_when_the_image_is_built() -> None:
    copied = {step.split()[1] for step in STEPS if step.startswith("COPY ") and step.split()[1] in PACKAGES}

    assert copied == PACKAGES


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_dependencies_are_installed_before_any_code_is_there_when_the_image_is_built(package: str) -> None:
    assert position("requirement requirements.txt") < position(f"^COPY {package} ")


def test_only_what_is_built_from_reaches_the_builder_when_the_checkout_holds_more() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    let_in = {line[1:] for line in rules if line.startswith("!")}
    copied = {
        word.partition("/")[0]
        for step in STEPS
        if step.startswith("COPY ") and "--from" not in step
        for word in step.split()[1:-1]
        if not word.startswith("--")
    }

    assert rules[0] == "*"
    assert let_in == copied
    assert not let_in & {".git", ".env", "data", "tests"}


def test_nothing_runs_as_root_when_the_image_is_done() -> None:
    users = [step.split()[1] for step in last_stage() if step.startswith("USER ")]

    assert users == ["10001:10001"]


def test_no_build_argument_can_leave_an_index_in_the_image_when_it_is_done() -> None:
    arguments = [step.split()[1].partition("=")[0] for step in last_stage() if step.startswith("ARG ")]

    assert arguments == ["VERSION", "REVISION"]


def test_the_requirements_are_the_projects_when_the_image_asks_for_them() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docker" / "requirements.py"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )

    assert done.stdout.splitlines() == PYPROJECT["project"]["dependencies"]
