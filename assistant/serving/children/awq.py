"""Quantises a Mixtral checkpoint to AWQ (4 bits, groups of 128). Run by `huozi model convert`.

    PYTHON awq.py JOB.json

It needs llmcompressor (the successor of AutoAWQ, which is no longer maintained) and a GPU. The job file is what
`assistant/serving/awq.py` decides: paths, calibration settings and the recipe, so that it can be read and tested.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> None:
    """Load, calibrate, quantise, save."""
    from llmcompressor import oneshot
    from torch.utils.data import DataLoader
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with open(sys.argv[1], encoding="utf-8") as file:
        job: dict[str, Any] = json.load(file)
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype="auto")
    with open(job["texts"], encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    # The template has written the control tokens; the tokenizer adds none.
    cut = {"truncation": True, "max_length": job["max_seq_length"], "add_special_tokens": False}
    tokens = [dict(tokenizer(text, return_tensors="pt", **cut)) for text in texts[: job["num_calibration_samples"]]]
    oneshot(
        model=model,
        # Each text as it is: no padding, so none of it weighs as text.
        dataset=DataLoader(tokens, batch_size=None),
        recipe=recipe(job["recipe"]),
        max_seq_length=job["max_seq_length"],
        num_calibration_samples=len(tokens),
        moe_calibrate_all_experts=job["moe_calibrate_all_experts"],
    )
    model.save_pretrained(job["output"], save_compressed=True)
    tokenizer.save_pretrained(job["output"])


def recipe(plain: dict[str, Any]) -> list[Any]:
    """Return the recipe's two steps: scale by activations, then round."""
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from llmcompressor.modifiers.transform.awq import AWQMapping, AWQModifier

    mappings = [AWQMapping(one["smooth"], one["balance"]) for one in plain["mappings"]]
    return [
        AWQModifier(mappings=mappings, duo_scaling=plain["duo_scaling"]),
        QuantizationModifier(targets=plain["targets"], scheme=plain["scheme"], ignore=plain["ignore"]),
    ]


if __name__ == "__main__":
    main()
