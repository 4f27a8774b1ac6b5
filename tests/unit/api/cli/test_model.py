"""`huozi model list|plan`: what they print, in both languages and as JSON."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click
import pytest

from api.cli import run
from api.cli.framework import Command
from api.cli.language import speaker
from api.cli.model import build
from assistant.serving import gpus as gpus_module
from assistant.serving.gpus import GIB, Gpu, parse_gpus
from assistant.serving.plan import plan
from assistant.serving.profile import list_profiles


def test_every_profile_is_listed_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["model", "list"]) == 0

    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[0].split() == ["配置", "名称", "参数", "窗口", "KV/词元", "格式", "下载"]
    assert [line.split()[0] for line in lines[1:]] == [one.name for one in list_profiles()]
    assert "HUOZI_LLM__PROFILE" in shown.err


def test_a_list_is_one_json_object_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["model", "list", "--json"]) == 0

    shown = json.loads(capsys.readouterr().out)
    first = {one["name"]: one for one in shown["profiles"]}["huozi3.5"]
    assert shown["profile"] == "huozi3.5"
    assert first["stop_token_ids"] == [57001]
    assert first["kv_bytes_per_token"] == 131_072


def test_ones_own_profiles_are_listed_when_their_folder_is_set(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = Path(gpus_module.__file__).parent / "profiles" / "huozi3.toml"
    (tmp_path / "mine.toml").write_text(source.read_text("utf-8").replace('"huozi3"', '"mine"'), "utf-8")
    monkeypatch.setenv("HUOZI_LLM__PROFILES_DIR", str(tmp_path))

    assert run(["model", "list", "--json"]) == 0
    assert "mine" in [one["name"] for one in json.loads(capsys.readouterr().out)["profiles"]]


def test_a_plan_is_told_in_english_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--lang", "en", "model", "plan", "huozi3.5", "--gpus", "8x80GB"]) == 0

    shown = capsys.readouterr().out
    assert "fits: 118 full windows of 32,768 tokens at once" in shown
    assert "8x80GB, 8 in use, tensor parallel" in shown
    assert "128 KiB a token, 4.0 GiB for a window of 32,768" in shown
    assert "--tensor-parallel 8 -- --gpu-memory-utilization 0.9" in shown


def test_the_settings_profile_is_planned_when_none_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUOZI_LLM__PROFILE", "huozi-7b-rlhf")

    assert run(["model", "plan", "--gpus", "24GB", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["profile"] == "huozi-7b-rlhf"


def test_the_command_fails_and_says_what_would_fit_when_it_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["model", "plan", "huozi3.5", "--gpus", "4x24GB", "--format", "bf16"]) == 1

    shown = capsys.readouterr().out
    assert "放不下：每块 GPU 要放 24.7 GiB，可用的只有 21.6 GiB" in shown
    assert "格式 awq" in shown
    assert "启动命令" not in shown


def test_the_command_names_ones_own_file_when_that_was_planned(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = Path(gpus_module.__file__).parent / "profiles" / "huozi3.toml"
    own = tmp_path / "mine.toml"
    own.write_text(source.read_text("utf-8").replace('"huozi3"', '"mine"'), "utf-8")

    assert run(["model", "plan", str(own), "--gpus", "8x80GB"]) == 0
    assert f"huozi model serve {own} --engine vllm" in capsys.readouterr().out


def test_json_has_every_figure_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["model", "plan", "huozi3", "--gpus", "24GB", "--window", "4096", "--json"]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert (shown["format"], shown["fits"], shown["gpu_layers"]) == ("q2_k", True, 32)
    assert shown["published_memory_gb"] == 18
    assert shown["bytes"]["kv_per_token"] == 131_072
    assert shown["bytes"]["each_gpu"]["needed"] <= shown["bytes"]["each_gpu"]["usable"]
    assert shown["command"].startswith("huozi model serve huozi3 ")


def test_the_gpus_found_are_planned_when_none_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus_module, "find_gpus", lambda: (Gpu(80 * GIB, "NVIDIA H100", 0),) * 2)

    assert run(["--lang", "en", "model", "plan"]) == 0
    assert "2x80GB (NVIDIA H100), 2 in use" in capsys.readouterr().out


def test_what_works_all_the_same_is_told_when_there_is_no_gpu(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert run(["model", "plan"]) == 1
    told = capsys.readouterr().err
    assert "没有 GPU" in told
    assert "--gpus 0" in told


@pytest.mark.parametrize(
    ("typed", "code", "told"),
    [
        ("plan --gpus 四块", 1, "'四块'"),
        ("plan huozi4 --gpus 24GB", 1, "huozi3"),
        ("plan 坏.toml --gpus 24GB", 1, "坏.toml"),
        ("plan --gpus 24GB --window 100", 2, "--window"),
        ("plan --gpus 24GB --engine vlm", 2, "--engine"),
        ("plan --gpus 24GB --gpu-memory-utilization 1.5", 2, "--gpu-memory-utilization"),
    ],
)
def test_the_value_is_named_when_it_is_wrong(
    capsys: pytest.CaptureFixture[str], typed: str, code: int, told: str
) -> None:
    assert run(["model", *typed.split()]) == code

    shown = capsys.readouterr()
    assert told in shown.err
    assert shown.out == ""


@pytest.mark.parametrize("profile", list_profiles(), ids=lambda one: one.name)
@pytest.mark.parametrize("gpus", ["0", "24GB", "4x24GB", "2x80GB", "8x80GB"])
def test_every_planned_command_is_one_that_serve_takes_when_parsed(profile: object, gpus: str) -> None:
    made = plan(profile, parse_gpus(gpus))  # type: ignore[arg-type]  # a Profile, by the parameters above
    group = build(speaker("en"))
    assert isinstance(group, click.Group)
    for one in [made, *made.alternatives] if made.fits else made.alternatives:
        _, _, verb, *rest = shlex.split(shlex.join(one.command))
        serve = group.get_command(click.Context(group), verb)
        assert isinstance(serve, Command)
        with serve.make_context(verb, rest) as ctx:
            assert ctx.params["profile"] == one.profile.name
            assert ctx.params["window"] in (None, one.window_tokens)
            assert ctx.params["form"] == one.format.name
            assert ctx.params["source"] == (one.converted or "huggingface")
        if one.convert_command:
            _, _, verb, *rest = one.convert_command
            convert = group.get_command(click.Context(group), verb)
            assert isinstance(convert, Command)
            with convert.make_context(verb, rest) as ctx:
                assert str(ctx.params["output"]) == one.converted
