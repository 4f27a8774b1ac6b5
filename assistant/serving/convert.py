"""A checkpoint -> GGUF by llama.cpp's own tools, or AWQ by llmcompressor. Pure decisions; `run_steps` runs them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from assistant.errors import ChatTemplateError
from assistant.serving import installs
from assistant.serving.engines import template_path
from assistant.serving.errors import BatchFileError, ConversionError, EngineMissingError, EngineUnfitError
from assistant.serving.failures import cause_of, tail
from assistant.serving.launch import cannot_run
from assistant.template import render
from retrieval.errors import Message

if TYPE_CHECKING:
    from assistant.serving.profile import Profile
    from assistant.serving.weights import Weights

CONVERTER, QUANTIZER = "convert_hf_to_gguf.py", "llama-quantize"
PLAIN = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 1.07}
"""What the converter writes itself -> bytes a weight."""
QUANTS = re.compile(r"(q[2-8]_[0-9k](_[sml])?|iq[1-4]_[a-z]+|tq[12]_0|mxfp4_moe|f16|f32|bf16)", re.IGNORECASE)
AWQ_CHILD = Path(__file__).parent / "children" / "awq.py"
CALIBRATION_TEXTS, CALIBRATION_TOKENS = 256, 2048
FEWEST_TEXTS = 16
"""Fewer calibration texts than these say little about which weights matter."""


@dataclass(frozen=True)
class Step:
    """One program of a conversion.

    Args:
        argv: Program and arguments.
        makes: The file or folder that it writes.
        is_draft: Whether that is removed once the next step is done.
    """

    argv: tuple[str, ...]
    makes: Path
    is_draft: bool = False


@dataclass(frozen=True)
class LlamaCpp:
    """llama.cpp's tools.

    Args:
        python: An interpreter with torch and transformers, for the converter.
        converter: `convert_hf_to_gguf.py`, inside llama.cpp's source.
        quantizer: `llama-quantize`.
    """

    python: Path
    converter: Path
    quantizer: Path


def find_llama_cpp(folder: Path | None, python: Path) -> LlamaCpp:
    """Find llama.cpp's tools.

    Args:
        folder: Its source with the built programs; None: `.llama-cpp` here, or PATH.
        python: Interpreter for the converter.

    Raises:
        EngineMissingError: If one is not there.
    """
    quantizer = installs.find_program(QUANTIZER, "llama.cpp", folder)
    places = [folder] if folder is not None else [installs.LLAMA_CPP_FOLDER, *quantizer.resolve().parents[:4]]
    for place in places:
        for script in (place / CONVERTER, place / "src" / CONVERTER, place / "bin" / CONVERTER):
            if script.is_file():
                return LlamaCpp(python, script.absolute(), quantizer)
    raise EngineMissingError(
        Message(
            en=f"{CONVERTER} was not found beside {str(quantizer)!r}.",
            zh=f"在 {str(quantizer)!r} 附近没有找到 {CONVERTER}。",
        ),
        hint=Message(
            en="It is in llama.cpp's source, https://github.com/ggml-org/llama.cpp; name that folder: --llama-cpp"
            " FOLDER. `make llama-cpp` in this project fetches and builds it.",
            zh="它在 llama.cpp 的源码里，https://github.com/ggml-org/llama.cpp；用 --llama-cpp 目录 指定。"
            "在本项目中也可 `make llama-cpp`。",
        ),
    )


def check_quant(quant: str) -> str:
    """Return a quantisation's name as llama.cpp writes it in file names.

    Raises:
        EngineUnfitError: If there is none of that form.
    """
    if not QUANTS.fullmatch(quant):
        raise EngineUnfitError(
            Message(en=f"llama.cpp has no quantisation {quant!r}.", zh=f"llama.cpp 没有量化方式 {quant!r}。"),
            hint=Message(
                en="Often used: q4_0, q4_k_m, q5_k_m, q8_0, q2_k; f16 and bf16 keep every bit.",
                zh="常用：q4_0、q4_k_m、q5_k_m、q8_0、q2_k；f16 和 bf16 不压缩。",
            ),
        )
    return quant.lower()


def gguf_steps(tools: LlamaCpp, overlay: Path, output: Path, quant: str) -> list[Step]:
    """Return the programs that write a GGUF file.

    Args:
        tools: llama.cpp's.
        overlay: The checkpoint with our chat template, which goes into the file.
        output: The GGUF file to write.
        quant: From `check_quant`.
    """
    convert = (str(tools.python), str(tools.converter), str(overlay))
    if quant in PLAIN:
        return [Step((*convert, "--outfile", str(output), "--outtype", quant), output)]
    whole = output.with_name(f"{output.stem}.bf16-draft.gguf")
    return [
        Step((*convert, "--outfile", str(whole), "--outtype", "bf16"), whole, is_draft=True),
        Step((str(tools.quantizer), str(whole), str(output), quant.upper()), output),
    ]


def gguf_bytes(weights: Weights, quant: str) -> int:
    """Return the disk space that a conversion takes at most: the file, and the whole one before it is quantised."""
    n_weights = weights.size_bytes / 2
    if quant in PLAIN:
        return round(n_weights * PLAIN[quant])
    return round(n_weights * (PLAIN["bf16"] + 1))


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
        return render(messages or [{"role": "user", "content": content}], template=template_path(profile))
    except ChatTemplateError as exc:
        raise _bad_line(path, number, Message(en=exc.render("en"), zh=exc.render("zh"))) from exc


def _bad_line(path: Path, number: int, why: Message) -> BatchFileError:
    return BatchFileError(
        Message(en=f"Line {number} of {str(path)!r} {why.en}.", zh=f"{str(path)!r} 第 {number} 行：{why.zh}。")
    )


def run_steps(
    steps: Sequence[Step], *, environment: Mapping[str, str], log: Path, tell: Callable[[Step], None]
) -> None:
    """Run the programs of a conversion; nothing half done is left, also where one is stopped.

    Raises:
        ConversionError: If one fails, with its last lines.
    """
    made: list[Path] = []
    try:
        with log.open("wb") as output:
            for step in steps:
                tell(step)
                made.append(step.makes)
                _run(step, environment, output, log)
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True) if not path.is_dir() else None
        raise
    for step in steps:
        if step.is_draft:
            step.makes.unlink(missing_ok=True)


def _run(step: Step, environment: Mapping[str, str], output: IO[bytes], log: Path) -> None:
    start = output.tell()
    try:
        process = subprocess.Popen(
            step.argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=dict(environment)
        )
    except OSError as exc:
        raise cannot_run(step.argv[0], exc) from exc
    try:
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if code == 0 and step.makes.exists():
        return
    said = log.read_bytes()[start:].decode("utf-8", "replace")
    name = Path(step.argv[1] if step.argv[1].endswith(".py") else step.argv[0]).name
    raise ConversionError(
        Message(
            en=f"{name} failed with exit code {code}. Last lines of {log}:\n{tail(said)}\n",
            zh=f"{name} 失败，退出码 {code}。{log} 的最后几行：\n{tail(said)}\n",
        ),
        hint=cause_of(said),
    )
