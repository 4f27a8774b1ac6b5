from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scripts import llama_cpp


def test_the_way_to_get_them_is_told_when_tools_are_missing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        llama_cpp.shutil, "which", lambda program: None if program == "cmake" else f"/usr/bin/{program}"
    )

    with pytest.raises(llama_cpp.BuildError, match="apt install cmake ninja-build"):
        llama_cpp.check_tools()


def test_programs_converter_and_licence_are_kept_when_it_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = tmp_path / "llama.cpp"
    for name in ("build/bin/llama-server", "build/bin/llama-quantize", "convert_hf_to_gguf.py", "LICENSE"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    for name in ("conversion/llama.py", "gguf-py/gguf/vocab.py", "gguf-py/tests/test_vocab.py"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    monkeypatch.setattr(llama_cpp, "FOLDER", tmp_path / "kept")
    llama_cpp.keep(source)

    kept = {path.relative_to(tmp_path / "kept").as_posix() for path in (tmp_path / "kept").rglob("*") if path.is_file()}
    assert kept == {
        "bin/llama-server",
        "bin/llama-quantize",
        "convert_hf_to_gguf.py",
        "LICENSE",
        "conversion/llama.py",
        "gguf-py/gguf/vocab.py",
    }


def test_the_end_of_the_log_is_shown_when_a_step_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(llama_cpp, "ROOT", tmp_path)

    with pytest.raises(llama_cpp.BuildError, match="no compiler"):
        llama_cpp.run([sys.executable, "-c", "raise SystemExit('no compiler')"])
