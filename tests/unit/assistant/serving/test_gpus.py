from __future__ import annotations

import stat
from pathlib import Path

import pytest

from assistant.errors import GpuError
from assistant.serving.gpus import GIB, MIB, Gpu, describe, find_gpus, no_gpus, parse_gpus


def fake_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")


@pytest.mark.parametrize(
    ("text", "sizes_gib"),
    [
        ("24GB", [24]),
        ("4x24GB", [24] * 4),
        ("2X80gb", [80] * 2),
        ("8×80GB", [80] * 8),
        ("1x48GB+2x24GB", [48, 24, 24]),
        ("48GB, 24GiB", [48, 24]),
        (" 2 * 11.5g ", [11.5] * 2),
        ("0", []),
        ("none", []),
    ],
)
def test_gpus_are_read_as_people_write_them_when_named(text: str, sizes_gib: list[float]) -> None:
    assert [gpu.memory_bytes / GIB for gpu in parse_gpus(text)] == sizes_gib


@pytest.mark.parametrize(
    "text", ["", "24", "x24GB", "0x24GB", "4x0GB", "-1x24GB", "4x24GB+", "9999x24GB", "四块24GB", "24TB"]
)
def test_gpus_are_refused_with_an_example_when_they_cannot_be_read(text: str) -> None:
    with pytest.raises(GpuError, match="4x24GB") as caught:
        parse_gpus(text)

    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["0", "1x24GB", "4x24GB", "1x48GB+2x24GB", "2x11.5GB"])
def test_gpus_are_told_as_they_are_read_when_described(text: str) -> None:
    assert describe(parse_gpus(text)) == text


def test_gpus_are_found_when_nvidia_smi_lists_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "0, NVIDIA GeForce RTX 4090, 24564\n1, Odd, name, 81559"
    fake_smi(tmp_path, monkeypatch, f'[ "$2" = --format=csv,noheader,nounits ] && printf "{rows}\\n"')

    assert find_gpus() == (
        Gpu(24564 * MIB, "NVIDIA GeForce RTX 4090", 0),
        Gpu(81559 * MIB, "Odd, name", 1),
    )
    assert describe(find_gpus()) == "1x79.6GB+1x24GB"


@pytest.mark.parametrize(
    "script",
    ["echo 'No devices were found'; exit 6", "exit 0"],
    ids=["no devices", "nothing"],
)
def test_no_gpu_is_found_when_the_driver_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    fake_smi(tmp_path, monkeypatch, script)

    assert find_gpus() == ()


def test_no_gpu_is_found_when_there_is_no_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_gpus() == ()
    assert "--gpus 0" in no_gpus().render("zh")
    assert "HUOZI_LLM__BASE_URL" in no_gpus().render("en")


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'NVIDIA-SMI has failed because it cannot talk to the driver.'; exit 9", "NVIDIA-SMI has failed"),
        ("exit 3", "exit status 3"),
        ("echo '0, GB10, [N/A]'", "[N/A]"),
    ],
)  # fmt: skip
def test_the_driver_is_named_when_it_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str
) -> None:
    fake_smi(tmp_path, monkeypatch, script)

    with pytest.raises(GpuError, match="nvidia-smi does not say") as caught:
        find_gpus()

    assert told in str(caught.value)
    assert "--gpus" in caught.value.render("zh")
