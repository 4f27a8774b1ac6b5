"""What the real llama.cpp sets aside for a window, against the plan: a model of huozi's attention, two layers of it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.serving.gpus import GIB, MIB, Gpu
from assistant.serving.placement import best
from assistant.serving.plan_record import Wish
from assistant.serving.profile import Engine, load_profile
from tests import tiny_mixtral
from tests.integration.cli_process import huozi
from tests.processes import ServerProcess, free_port

pytestmark = pytest.mark.llama_cpp

LLAMA_CPP = Path(__file__).parents[3] / ".llama-cpp"
LAYERS = 2
HUOZI = load_profile("huozi3-gguf")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert (LLAMA_CPP / ".built").exists(), "llama.cpp is not there: make llama-cpp"
    folder = tmp_path_factory.mktemp("llama-cpp-memory")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("HEADS", HUOZI.heads), ("KV_HEADS", HUOZI.kv_heads), ("HEAD_DIM", HUOZI.head_dim)):
            patch.setattr(tiny_mixtral, name, value)
        patch.setattr(tiny_mixtral, "LAYERS", LAYERS)
        tiny_mixtral.build(folder / "wide")
    target = folder / "wide.gguf"
    words = ["--source", str(folder / "wide"), "--output", str(target), "--llama-cpp", str(LLAMA_CPP)]
    done = huozi("model", "convert", "--to", "gguf", "--quant", "f16", *words, data=folder / "data")
    assert done.returncode == 0, done.stderr
    return target


def buffers(model: Path, window: int, flash_attention: str) -> dict[str, float]:
    """Return the server's own account, by name of the buffer, in MiB."""
    port, log = free_port(), model.parent / f"{window}-{flash_attention}.log"
    command = [
        str(LLAMA_CPP / "bin" / "llama-server"), "--model", str(model), "--ctx-size", str(window), "--parallel", "1",
        "--flash-attn", flash_attention, "--no-warmup", "--verbose", "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    with ServerProcess(command, port=port, health="/health", log=log, deadline_s=120):
        pass
    found = re.findall(r"CPU (KV|compute) buffer size = +([\d.]+) MiB", log.read_text("utf-8", "replace"))
    return {name: max(float(size) for other, size in found if other == name) for name in ("KV", "compute")}


def planned(window: int, engine: Engine) -> tuple[float, float]:
    """Return the plan's keys and values of two layers, and what grows with the window, in MiB."""
    form = replace(HUOZI.format("q4_0"), memory_gb=None)
    load = best(HUOZI, form, (Gpu(1000 * GIB),), Wish(window_tokens=window, engine=engine)).load
    return load.kv * LAYERS / HUOZI.layers / MIB, (load.overhead - GIB // 2) / MIB


@pytest.mark.parametrize(("engine", "flash_attention"), [("llama.cpp", "on"), ("ollama", "off")])
@pytest.mark.parametrize("window", [2048, 32_768])
def test_the_plan_has_the_servers_own_figures_when_a_window_is_set_aside(
    model: Path, window: int, engine: Engine, flash_attention: str
) -> None:
    kv, grows = planned(window, engine)
    told = buffers(model, window, flash_attention)

    assert told["KV"] == kv
    # The rest, up to 90 MiB, does not come from the window, and is within the half GiB that the plan adds.
    assert grows < told["compute"] < grows + 100
