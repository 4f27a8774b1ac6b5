from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

import prompts
from assistant.serving.convert import (
    LlamaCpp,
    Step,
    check_quant,
    find_llama_cpp,
    gguf_bytes,
    gguf_steps,
    run_steps,
)
from assistant.serving.errors import ConversionError, EngineMissingError, EngineUnfitError
from assistant.serving.overlay import make_overlay
from assistant.serving.profile import load_profile
from assistant.serving.weights import Weights
from tests.unit.assistant.serving import tiny_checkpoint

HUOZI = load_profile("huozi3.5")
TOOLS = LlamaCpp(Path("/p/python"), Path("/l/convert_hf_to_gguf.py"), Path("/l/llama-quantize"))


def run(steps: list[Step], folder: Path) -> None:
    run_steps(steps, environment=os.environ, log=folder / "convert.log", tell=lambda _step: None)


def writer(path: Path, *, fails: bool = False, is_draft: bool = False) -> Step:
    code = f"open({str(path)!r}, 'w').close(); " + ("raise SystemExit('bad tensor')" if fails else "")
    return Step((sys.executable, "-c", code), path, is_draft)


def test_the_checkpoint_is_written_whole_and_then_quantised_when_a_quantisation_is_asked_for():
    whole, small = gguf_steps(TOOLS, Path("/o"), Path("/x/huozi.gguf"), "q4_0")

    draft = "/x/huozi.bf16-draft.gguf"
    assert whole.argv == (
        "/p/python", "/l/convert_hf_to_gguf.py", "/o", "--outfile", draft, "--outtype", "bf16",
    )  # fmt: skip
    assert whole.is_draft
    assert small.argv == ("/l/llama-quantize", draft, "/x/huozi.gguf", "Q4_0")


@pytest.mark.parametrize("quant", ["f16", "bf16", "q8_0"])
def test_one_step_is_enough_when_the_converter_writes_the_form_itself(quant: str):
    (step,) = gguf_steps(TOOLS, Path("/o"), Path("/x/h.gguf"), quant)

    assert step.argv[-2:] == ("--outtype", quant) and not step.is_draft


def test_the_room_for_both_files_is_counted_when_a_model_is_quantised():
    weights = Weights(Path("/m"), "checkpoint", Path("/m"), 93_400_000_000)

    assert gguf_bytes(weights, "q4_0") == 140_100_000_000
    assert gguf_bytes(weights, "bf16") == 93_400_000_000


def test_a_name_is_refused_when_it_is_no_quantisation():
    assert check_quant("Q4_K_M") == "q4_k_m"
    with pytest.raises(EngineUnfitError) as caught:
        check_quant("int4; rm")

    assert caught.value.render("en").startswith("llama.cpp has no quantisation 'int4; rm'. Often used: q4_0,")


def test_the_tools_are_found_when_they_lie_in_llama_cpps_source(tmp_path: Path):
    quantizer = tmp_path / "build" / "bin" / "llama-quantize"
    quantizer.parent.mkdir(parents=True)
    quantizer.write_text("#!/bin/sh\n")
    quantizer.chmod(0o755)
    with pytest.raises(EngineMissingError) as caught:
        find_llama_cpp(tmp_path, Path("/p"))
    assert "convert_hf_to_gguf.py was not found beside" in caught.value.render("en")
    assert "--llama-cpp FOLDER" in caught.value.render("en")

    (tmp_path / "convert_hf_to_gguf.py").touch()
    assert find_llama_cpp(tmp_path, Path("/p")) == LlamaCpp(Path("/p"), tmp_path / "convert_hf_to_gguf.py", quantizer)


def test_drafts_are_removed_when_the_last_step_is_done(tmp_path: Path):
    run([writer(tmp_path / "draft", is_draft=True), writer(tmp_path / "huozi.gguf")], tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {"convert.log", "huozi.gguf"}


def test_nothing_half_done_is_left_when_a_step_fails(tmp_path: Path):
    steps = [writer(tmp_path / "draft", is_draft=True), writer(tmp_path / "huozi.gguf", fails=True)]
    with pytest.raises(ConversionError) as caught:
        run(steps, tmp_path)

    assert "failed with exit code 1." in caught.value.render("en") and "bad tensor" in caught.value.render("en")
    assert {path.name for path in tmp_path.iterdir()} == {"convert.log"}


def test_a_step_failed_when_it_ends_well_and_writes_nothing(tmp_path: Path):
    with pytest.raises(ConversionError):
        run([Step((sys.executable, "-c", ""), tmp_path / "huozi.gguf")], tmp_path)


def test_the_files_end_of_text_is_the_turns_end_when_it_goes_into_a_gguf(tmp_path: Path):
    folder = make_overlay(tmp_path / "o", tiny_checkpoint.write(tmp_path / "m"), HUOZI, ends_turns=True)

    assert json.loads((folder / "tokenizer_config.json").read_text())["eos_token"] == "<|endofutterance|>"
    assert (folder / "chat_template.jinja").read_text("utf-8") == prompts.chat_template("huozi")
