from __future__ import annotations

import pytest

from assistant.errors import ProfileError
from assistant.serving.gpus import describe, parse_gpus
from assistant.serving.plan import plan
from assistant.serving.plan_record import Plan, Wish
from assistant.serving.plan_words import difference, verdict
from assistant.serving.profile import load_profile


def planned(name: str, gpus: str, wish: Wish | None = None) -> Plan:
    return plan(load_profile(name), parse_gpus(gpus), wish)


def words(made: Plan) -> str:
    return " ".join(made.command)


@pytest.mark.parametrize(
    ("name", "gpus", "form", "engine", "n_gpus", "windows"),
    [
        ("huozi3.5", "8x80GB", "bf16", "vllm", 8, 118),
        ("huozi3.5", "2x80GB", "bf16", "vllm", 2, 13),
        ("huozi3.5", "8x24GB", "bf16", "vllm", 8, 17),
        ("huozi3", "24GB", "q2_k", "llama.cpp", 1, 1),
        ("huozi3", "4x24GB", "awq", "vllm", 4, 13),
        ("huozi3", "1x48GB", "awq", "vllm", 1, 3),
        ("huozi-7b-sft", "24GB", "fp16", "vllm", 1, 3),
        ("huozi-7b-rlhf", "16GB", "int8", "transformers", 1, 2),
        ("llama3-chinese", "24GB", "bf16", "vllm", 1, 4),
    ],
)
def test_the_first_format_that_fits_whole_is_planned_when_none_is_named(
    name: str, gpus: str, form: str, engine: str, n_gpus: int, windows: int
) -> None:
    made = planned(name, gpus)

    assert (made.format.name, made.engine, made.n_gpus, made.windows) == (form, engine, n_gpus, windows)
    assert made.fits and made.is_whole
    assert made.alternatives == ()


def test_layers_are_offloaded_when_no_format_fits_whole() -> None:
    made = planned("huozi3.5", "20GB")

    assert (made.format.name, made.gpu_layers, made.fits, made.is_whole) == ("q4_0", 19, True, False)
    assert verdict(made).en.startswith("fits in part: 19 of 32 layers on the GPUs, 11.7 GiB in main memory")
    assert [difference(other, made).en for other in made.alternatives] == [
        "format q2_k, window of 10,496 tokens",
        "GPUs 2x20GB",
    ]


def test_what_would_fit_is_told_when_the_named_format_does_not() -> None:
    made = planned("huozi3.5", "4x24GB", Wish(format="bf16"))

    assert not made.fits
    assert verdict(made).en == "does not fit: each GPU would hold 24.7 GiB, and has 21.6 GiB to use"
    assert [difference(other, made).zh for other in made.alternatives] == ["格式 awq", "GPU 换成 8x24GB"]


def test_a_shorter_window_and_fewer_at_once_are_offered_when_the_cache_is_too_small() -> None:
    made = planned("llama3-chinese", "24GB", Wish(sequences=8))

    assert verdict(made).en == "does not fit: 4 full windows of 8,192 tokens at once, not 8"
    assert [difference(other, made).en for other in made.alternatives] == [
        "4 full windows at once",
        "window of 4,608 tokens",
        "GPUs 2x24GB",
    ]


def test_some_layers_are_offered_when_nothing_else_fits_here() -> None:
    made = planned("huozi3", "6GB", Wish(format="bf16"))

    assert difference(made.alternatives[0], made).en.startswith("format q4_0, ")
    assert "of 32 layers on the GPUs" in difference(made.alternatives[0], made).en


def test_a_usual_gpu_is_offered_when_there_is_none() -> None:
    made = planned("huozi-7b-sft", "0")

    assert not made.fits
    assert [describe(other.gpus) for other in made.alternatives] == ["1x24GB"]
    assert "GGUF" in verdict(made).zh


def test_gguf_runs_in_main_memory_when_there_is_no_gpu() -> None:
    made = planned("huozi3-gguf", "0", Wish(window_tokens=4096))

    assert made.fits
    assert verdict(made).en.startswith("fits without a GPU: 25.")
    assert words(made) == (
        "huozi model serve huozi3-gguf --engine llama.cpp --format q4_0 --gpu-layers 0 --window 4096"
    )


@pytest.mark.parametrize(
    ("name", "gpus", "wish", "typed"),
    [
        (
            "huozi3",
            "2x80GB",
            Wish(),
            "huozi model serve huozi3 --engine vllm --format bf16 --tensor-parallel 2 -- --gpu-memory-utilization 0.9",
        ),
        (
            "huozi3-awq",
            "48GB",
            Wish(window_tokens=8192, utilization=0.85),
            "huozi model serve huozi3-awq --engine vllm --format awq --window 8192 -- --gpu-memory-utilization 0.85",
        ),
        (
            "huozi3-gguf",
            "80GB",
            Wish(sequences=3, window_tokens=4096),
            "huozi model serve huozi3-gguf --engine llama.cpp --format q4_0 --gpu-layers 32 --window 4096"
            " -- --flash-attn on --parallel 3 --ctx-size 12288",
        ),
        (
            "huozi3-gguf",
            "24GB",
            Wish(engine="ollama", format="q2_k", gpu_layers=16),
            "huozi model serve huozi3-gguf --engine ollama --format q2_k --gpu-layers 16",
        ),
        (
            "huozi-7b-sft",
            "24GB",
            Wish(engine="transformers"),
            "huozi model serve huozi-7b-sft --engine transformers --format fp16",
        ),
    ],
)
def test_the_command_says_all_that_the_plan_decided_when_typed(name: str, gpus: str, wish: Wish, typed: str) -> None:
    assert words(planned(name, gpus, wish)) == typed


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (Wish(format="q9"), "no format 'q9'; it has bf16, awq, q4_0, q2_k"),
        (Wish(format="q4_0", engine="vllm"), "vllm does not run q4_0. huozi3.5 has bf16: vllm, transformers;"),
        (Wish(format="bf16", gpu_layers=8), "llama.cpp does not run bf16"),
        (Wish(window_tokens=40_000), "A window of 40000 tokens is more than the 32768 of huozi3.5"),
    ],
)
def test_a_wish_is_refused_when_the_model_cannot_grant_it(wish: Wish, told: str) -> None:
    with pytest.raises(ProfileError) as caught:
        planned("huozi3.5", "24GB", wish)

    assert told in str(caught.value)


def test_weights_are_converted_first_when_nobody_publishes_them() -> None:
    made = planned("huozi3.5", "48GB", Wish(format="q4_0"))
    awq = planned("huozi3.5", "48GB", Wish(format="awq"))

    assert " ".join(made.convert_command) == (
        "huozi model convert huozi3.5 --to gguf --quant q4_0 --output huozi3.5-q4_0.gguf"
    )
    assert "--source huozi3.5-q4_0.gguf" in words(made)
    assert " ".join(awq.convert_command[4:7]) == "--to awq --texts"
    assert planned("huozi3", "48GB", Wish(format="q4_0")).convert_command == ()
