from __future__ import annotations

import sys

import pytest

from api.cli import HOMES
from retrieval.errors import CollectionNotFoundError, Message
from tests.unit.api.cli.fake_engine import FakeEngine, failing, huozi

NOT_FOUND = CollectionNotFoundError(
    Message("There is no collection '财务'.", "没有名为 '财务' 的集合。"), hint=Message("See the list.", "请看列表。")
)


def test_help_lists_every_command_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    code = huozi("--help")

    shown = capsys.readouterr().out
    assert code == 0
    assert shown.startswith("用法：huozi [选项] 命令 [参数]...\n")
    assert [name for name in HOMES if f"\n  {name} " not in shown] == []


def test_help_is_english_when_the_language_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert huozi("--lang", "en", "search", "--help") == 0

    assert capsys.readouterr().out.startswith("Usage: huozi search [OPTIONS] QUESTION...\n")


def test_help_is_english_when_the_variable_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUOZI_LANG", "en")

    huozi("-h")

    assert "\nCommands:\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("serch",), "用法错误：没有命令 'serch'\n用 `huozi --help` 查看用法。\n"),
        (("search",), "用法错误：缺少参数 问题...\n用 `huozi search --help` 查看用法。\n"),
        (("search", "x", "--nope"), "用法错误：没有选项 '--nope'\n用 `huozi search --help` 查看用法。\n"),
        (
            ("search", "x", "--filter", "y"),
            "用法错误：--filter 'y'：应写成 KEY=VALUE\n用 `huozi search --help` 查看用法。\n",
        ),
        (("--set", "port", "keys", "list"), "用法错误：--set 'port'：应写成 名称=值\n用 `huozi --help` 查看用法。\n"),
        (
            ("search", "x", "-k", "0"),
            "用法错误：-k 的值不可用：0 不在 1<=x<=100 的范围内。\n用 `huozi search --help` 查看用法。\n",
        ),
        (
            ("model", "plan", "--window", "大"),
            "用法错误：--window 的值不可用：'大' 不是整数。\n用 `huozi model plan --help` 查看用法。\n",
        ),
        (
            ("model", "plan", "--engine", "x"),
            "用法错误：--engine 的值不可用：'x' 不是其中之一：'vllm', 'transformers', 'llama.cpp', 'ollama'。\n"
            "用 `huozi model plan --help` 查看用法。\n",
        ),
        (
            ("model", "serve", "--env", "/无"),
            "用法错误：--env 的值不可用：'/无' 不存在。\n用 `huozi model serve --help` 查看用法。\n",
        ),
        (("documents", "drop"), "用法错误：没有命令 'drop'\n用 `huozi documents --help` 查看用法。\n"),
    ],
)
def test_misuse_ends_with_2_when_words_are_wrong(
    words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = huozi(*words)

    captured = capsys.readouterr()
    assert (code, captured.out, captured.err) == (2, "", told)


def test_no_command_ends_with_2_and_the_help_when_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert huozi() == 2
    assert "ingest" in capsys.readouterr().err


def test_an_error_is_one_line_with_its_hint_when_a_command_fails(capsys: pytest.CaptureFixture[str]) -> None:
    code = huozi("search", "年假", engine=failing(NOT_FOUND))

    captured = capsys.readouterr()
    assert (code, captured.out, captured.err) == (1, "", "错误：没有名为 '财务' 的集合。请看列表。\n")


def test_an_error_is_english_when_the_language_is(capsys: pytest.CaptureFixture[str]) -> None:
    huozi("--lang=en", "search", "x", engine=failing(NOT_FOUND))

    assert capsys.readouterr().err == "Error: There is no collection '财务'. See the list.\n"


def test_a_traceback_is_shown_when_debugging() -> None:
    with pytest.raises(CollectionNotFoundError):
        huozi("--debug", "search", "x", engine=failing(NOT_FOUND))


def test_a_defect_is_one_line_without_traceback_when_nobody_debugs(capsys: pytest.CaptureFixture[str]) -> None:
    code = huozi("search", "x", engine=failing(KeyError("chunk")))

    captured = capsys.readouterr()
    assert (code, captured.out) == (1, "")
    assert captured.err.startswith("内部错误：KeyError: 'chunk'\n")
    assert "Traceback" not in captured.err


def test_ctrl_c_ends_with_130_when_a_command_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert huozi("ingest", "x", engine=failing(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "\n已中断\n"


def test_bad_settings_end_with_2_when_a_command_starts(capsys: pytest.CaptureFixture[str]) -> None:
    code = huozi("--set", "port=http", "--set", "llm.base_url=x", "search", "年假")

    captured = capsys.readouterr()
    assert code == 2
    assert captured.err.startswith("错误：有 2 项设置不可用：\n  HUOZI_LLM__BASE_URL='x'")


def test_data_dir_reaches_the_engine_when_given_on_the_command_line() -> None:
    from api.cli import run

    seen = []

    def opened(settings: object, purpose: str) -> FakeEngine:
        seen.append((str(settings.data_dir), settings.port, purpose))  # type: ignore[attr-defined]
        return FakeEngine()

    assert run(["--data-dir", "/tmp/数据", "--set", "HUOZI_PORT=9", "keys", "list"], opened) == 0
    assert seen == [("/tmp/数据", 9, "keys list")]


def test_a_reader_that_leaves_is_no_failure_when_output_is_piped(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        encoding = "utf-8"

        def write(self, _text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

        def fileno(self) -> int:
            raise ValueError

    monkeypatch.setattr(sys, "stdout", Closed())

    assert huozi("search", "年假") == 0


def test_the_version_is_shown_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert huozi("--version") == 0
    assert capsys.readouterr().out.startswith("huozi 0.")
