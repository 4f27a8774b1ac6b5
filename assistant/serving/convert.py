"""A checkpoint -> GGUF by llama.cpp's own tools; `run_steps` runs their programs, and those of other conversions."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from assistant.serving import installs
from assistant.serving.errors import ConversionError, EngineMissingError, EngineUnfitError
from assistant.serving.failures import cannot_run, cause_of, tail
from retrieval.errors import Message

if TYPE_CHECKING:
    from assistant.serving.weights import Weights

CONVERTER, QUANTIZER = "convert_hf_to_gguf.py", "llama-quantize"
PLAIN = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 1.07}
"""What the converter writes itself -> bytes a weight."""
QUANTS = re.compile(r"(q[2-8]_[0-9k](_[sml])?|iq[1-4]_[a-z]+|tq[12]_0|mxfp4_moe|f16|f32|bf16)", re.IGNORECASE)


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
