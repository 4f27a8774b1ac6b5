"""A checkpoint -> AWQ by llmcompressor: the recipe and the calibration texts (pure but for reading them)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.errors import ChatTemplateError
from assistant.serving.errors import BatchFileError, EngineUnfitError
from assistant.template import render
from retrieval.errors import Message

if TYPE_CHECKING:
    from assistant.serving.profile import Profile

AWQ_CHILD = Path(__file__).parent / "children" / "awq.py"
CALIBRATION_TEXTS, CALIBRATION_TOKENS = 256, 2048
FEWEST_TEXTS = 16
"""Fewer calibration texts than these say little about which weights matter."""


def awq_recipe() -> dict[str, Any]:
    """Return the AWQ recipe for Mixtral in transformers 5's names.

    llmcompressor knows no Mixtral and would take a dense model's mapping, which scales what the router reads and does
    not undo it in the router: tokens would go to other experts. So the router stands among the balanced layers here,
    and is itself not rounded: it is small, and decides everything.
    """
    return {
        "scheme": "W4A16_ASYM",
        "targets": ["Linear"],
        "ignore": ["lm_head", r"re:.*mlp\.gate$"],
        "duo_scaling": True,
        "mappings": [
            {
                "smooth": r"re:.*input_layernorm$",
                "balance": [r"re:.*q_proj$", r"re:.*k_proj$", r"re:.*v_proj$"],
            },
            {"smooth": r"re:.*v_proj$", "balance": [r"re:.*o_proj$"]},
            {
                "smooth": r"re:.*post_attention_layernorm$",
                "balance": [
                    r"re:.*mlp\.gate$",
                    r"re:.*mlp\.experts\..*\.gate_proj$",
                    r"re:.*mlp\.experts\..*\.up_proj$",
                ],
            },
            {"smooth": r"re:.*up_proj$", "balance": [r"re:.*down_proj$"]},
        ],
    }


def awq_job(overlay: Path, texts: Path, output: Path) -> dict[str, Any]:
    """Return all that the quantiser's script is told."""
    return {
        "model": str(overlay),
        "texts": str(texts),
        "output": str(output),
        "recipe": awq_recipe(),
        "max_seq_length": CALIBRATION_TOKENS,
        "num_calibration_samples": CALIBRATION_TEXTS,
        # Each expert sees every text, also the experts that the router seldom asks.
        "moe_calibrate_all_experts": True,
    }


def check_awq(profile: Profile) -> None:
    """Refuse models that the recipe is not for.

    Raises:
        EngineUnfitError: If the model is no Mixtral.
    """
    if profile.architecture != "mixtral":
        raise EngineUnfitError(
            Message(
                en=f"The AWQ recipe is for Mixtral; {profile.name} is {profile.architecture}.",
                zh=f"AWQ 量化配方只适用于 Mixtral；{profile.name} 是 {profile.architecture}。",
            ),
            hint=Message(en="Use --to gguf.", zh="请用 --to gguf。"),
        )


def calibration_lines(path: Path, profile: Profile) -> list[str]:
    """Return a user's calibration texts as the model reads them, as JSON lines for the quantiser.

    Args:
        path: Lines of `{"messages"}`, `{"prompt"}` or `{"text"}`, or plain text: a text a line.
        profile: Whose template renders conversations.

    Raises:
        BatchFileError: If a line cannot be used, or there are too few.
    """
    try:
        lines = [line for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as exc:
        reason = getattr(exc, "strerror", None) or "not UTF-8"
        raise BatchFileError(
            Message(en=f"{str(path)!r} cannot be read: {reason}.", zh=f"无法读取 {str(path)!r}：{reason}。")
        ) from exc
    if len(lines) < FEWEST_TEXTS:
        raise BatchFileError(
            Message(
                en=f"{str(path)!r} has {len(lines)} texts; calibration needs {FEWEST_TEXTS} at least.",
                zh=f"{str(path)!r} 只有 {len(lines)} 条文本，校准至少需要 {FEWEST_TEXTS} 条。",
            ),
            hint=Message(
                en=f"{CALIBRATION_TEXTS} conversations like those that the model will have are good.",
                zh=f"最好有 {CALIBRATION_TEXTS} 条与实际使用相近的对话。",
            ),
        )
    return [
        json.dumps({"text": _calibration_text(line, number, path, profile)}, ensure_ascii=False)
        for number, line in enumerate(lines, 1)
    ]


def _calibration_text(line: str, number: int, path: Path, profile: Profile) -> str:
    value: Any = line
    if line.lstrip().startswith("{"):
        try:
            value = json.loads(line)
        except ValueError as exc:
            raise _bad_line(path, number, Message(en="is not JSON", zh="不是 JSON")) from exc
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        return str(value["text"])
    content = value if isinstance(value, str) else value.get("prompt")
    messages = value.get("messages") if isinstance(value, dict) else None
    try:
        return render(messages or [{"role": "user", "content": content}], template=profile.template_path)
    except ChatTemplateError as exc:
        raise _bad_line(path, number, Message(en=exc.render("en"), zh=exc.render("zh"))) from exc


def _bad_line(path: Path, number: int, why: Message) -> BatchFileError:
    return BatchFileError(
        Message(en=f"Line {number} of {str(path)!r} {why.en}.", zh=f"{str(path)!r} 第 {number} 行：{why.zh}。")
    )
