import subprocess
import sys

from retrieval.python_process import can_start, command


def test_none_can_be_started_when_the_interpreter_is_built_into_a_program(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/opt/app/uwsgi")
    assert not can_start()
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3.11")
    assert can_start()
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert not can_start()


def test_module_is_found_where_this_process_finds_it_and_gets_its_arguments(tmp_path, monkeypatch):
    (tmp_path / "说话.py").write_text("def main(*words): print(ascii(words))", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    done = subprocess.run(command("说话", "一", "two 2"), capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.strip() == ascii(("一", "two 2"))
