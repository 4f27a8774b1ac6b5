"""The commands of both READMEs work: every block marked `<!-- run -->`, beside a service as `make run` starts it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli_process import HUOZI, environment
from tests.processes import ServerProcess, free_port

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.zh-CN.md")
_BLOCK = re.compile(r"<!-- run -->\n```bash\n(.*?)```", re.DOTALL)


def blocks(name: str) -> list[str]:
    return _BLOCK.findall((ROOT / name).read_text("utf-8"))


def commands(block: str) -> list[str]:
    """Return a block's lines without comments and without their quoting of either language."""
    lines = (re.sub(r"\s+#.*", "", line).strip() for line in block.splitlines())
    return [line for line in lines if line]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a clone is after `make run`, with somebody's own documents in its home."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / ".venv").symlink_to(Path(sys.prefix))
    (folder / "samples").symlink_to(ROOT / "samples")
    home = folder / "home"
    (home / "docs").mkdir(parents=True)
    shutil.copy(ROOT / "samples" / "员工手册.docx", home / "docs")
    return folder


@pytest.fixture(scope="module")
def clean(place: Path) -> dict[str, str]:
    kept = environment(place / "data", HOME=str(place / "home"), HUOZI_PORT=str(free_port()))
    del kept["HUOZI_EMBEDDER"]
    return kept


@pytest.fixture(scope="module")
def running(place: Path, clean: dict[str, str]) -> Iterator[ServerProcess]:
    port = int(clean["HUOZI_PORT"])
    command = [HUOZI, "serve", "--ingest", str(ROOT / "samples")]
    with ServerProcess(
        command, port=port, health="/healthz", log=place / "serve.log", env=clean, deadline_s=180
    ) as one:
        yield one


@pytest.mark.parametrize("name", READMES)
def test_a_readme_has_commands_that_run_when_it_is_read(name: str) -> None:
    assert len(blocks(name)) >= 2


def test_both_readmes_say_the_same_commands_when_compared() -> None:
    ours, theirs = ([commands(block) for block in blocks(name)] for name in READMES)

    assert ours == theirs


@pytest.mark.parametrize("block", blocks(READMES[0]), ids=lambda block: commands(block)[-1][:40])
def test_a_block_works_when_it_is_pasted(
    block: str, place: Path, clean: dict[str, str], running: ServerProcess
) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=place,
        env={**clean, "PATH": f"{Path(sys.prefix) / 'bin'}:{clean['PATH']}"},
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=180,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()
