from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.serving.awq import AWQ_CHILD, awq_job, awq_recipe, calibration_lines, check_awq
from assistant.serving.errors import BatchFileError, EngineUnfitError
from assistant.serving.profile import load_profile

HUOZI = load_profile("huozi3.5")


def test_the_router_is_balanced_and_not_rounded_when_awq_quantises_mixtral():
    recipe = awq_recipe()
    routed = next(one for one in recipe["mappings"] if "post_attention" in one["smooth"])

    assert r"re:.*mlp\.gate$" in routed["balance"] and r"re:.*mlp\.gate$" in recipe["ignore"]
    assert (recipe["scheme"], recipe["targets"]) == ("W4A16_ASYM", ["Linear"])


def test_every_expert_sees_every_text_when_awq_calibrates():
    job = awq_job(Path("/o"), Path("/t.jsonl"), Path("/x"))

    assert job["moe_calibrate_all_experts"] is True
    assert (job["num_calibration_samples"], job["max_seq_length"]) == (256, 2048)
    assert AWQ_CHILD.is_file()


def test_awq_is_refused_when_the_model_is_no_mixtral():
    check_awq(HUOZI)
    with pytest.raises(EngineUnfitError) as caught:
        check_awq(load_profile("llama3-chinese"))

    assert caught.value.render("en") == "The AWQ recipe is for Mixtral; llama3-chinese is llama. Use --to gguf."


def test_calibration_texts_are_as_the_model_reads_them_when_they_are_conversations(tmp_path: Path):
    path = tmp_path / "校准.jsonl"
    lines = [json.dumps({"prompt": "年假？"}), json.dumps({"text": "原样"}), "𠮷野家", *["x"] * 13]
    path.write_text("\n".join(lines), "utf-8")

    texts = [json.loads(line)["text"] for line in calibration_lines(path, HUOZI)]
    assert texts[0] == "<|beginofutterance|>用户\n年假？<|endofutterance|>\n<|beginofutterance|>助手\n"
    assert texts[1] == "原样" and "𠮷野家" in texts[2] and len(texts) == 16


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("一\n二\n", "has 2 texts; calibration needs 16 at least. 256 conversations like those"),
        ("{\n" * 16, "Line 1 of"),
        (json.dumps({"messages": [{"role": "法师", "content": ""}]}) + "\n" + "x\n" * 16, "Line 1 of"),
    ],
)
def test_calibration_texts_are_refused_when_they_are_few_or_broken(content: str, told: str, tmp_path: Path):
    (tmp_path / "t.jsonl").write_text(content, "utf-8")
    with pytest.raises(BatchFileError) as caught:
        calibration_lines(tmp_path / "t.jsonl", replace(HUOZI))

    assert told in caught.value.render("en")
