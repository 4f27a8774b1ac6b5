"""Which GPUs there are: as a user writes them (`4x24GB`), or as `nvidia-smi` finds them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.errors import GpuError
from retrieval.errors import Message

MIB = 1024**2
GIB = 1024**3
MOST_GPUS = 1024
DEADLINE_S = 20
_TERM = re.compile(r"(?:(\d+)\s*[x×*]\s*)?(\d+(?:\.\d+)?)\s*(?:g|gb|gib)", re.IGNORECASE)
_QUERY = ("--query-gpu=index,name,memory.total", "--format=csv,noheader,nounits")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU.

    Attributes:
        memory_bytes: All its memory.
        name: As its driver calls it; empty for one that is only named.
        index: Its number on this machine, or None.
    """

    memory_bytes: int
    name: str = ""
    index: int | None = None


def parse_gpus(text: str) -> tuple[Gpu, ...]:
    """Read GPUs as people write them: `24GB`, `4x24GB`, `1x48GB+2x24GB`, `0` for none.

    A GB of a GPU is 2^30 bytes, as in its makers' names: a card of 24 GB has 24,576 MiB.

    Raises:
        GpuError: If it says something else.
    """
    if text.strip() in ("0", "none"):
        return ()
    gpus: list[Gpu] = []
    for part in re.split(r"[+,]", text):
        found = _TERM.fullmatch(part.strip())
        count, size = (int(found[1] or 1), float(found[2])) if found else (0, 0.0)
        if not 0 < count <= MOST_GPUS or size <= 0:
            raise GpuError(
                Message(en=f"GPUs cannot be read from {text!r}.", zh=f"看不懂 GPU 的写法 {text!r}。"),
                hint=Message(
                    en="Write their number and memory, e.g. 24GB, 4x24GB or 1x48GB+2x24GB.",
                    zh="请写数量和显存，如 24GB、4x24GB、1x48GB+2x24GB。",
                ),
            )
        gpus += [Gpu(int(size * GIB))] * count
    return tuple(gpus)


def describe(gpus: Sequence[Gpu]) -> str:
    """Return GPUs as `parse_gpus` reads them, the largest first; `0` for none."""
    sizes = [gpu.memory_bytes for gpu in gpus]
    return "+".join(f"{sizes.count(size)}x{_gb(size)}GB" for size in sorted(set(sizes), reverse=True)) or "0"


def find_gpus() -> tuple[Gpu, ...]:
    """Ask `nvidia-smi` for this machine's GPUs; none where there is no such program.

    Raises:
        GpuError: If it is there and fails, e.g. because the driver does not answer.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        done = subprocess.run(
            [program, *_QUERY],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=DEADLINE_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _silent(str(error)) from error
    if done.returncode != 0:
        told = (done.stdout + done.stderr).strip().splitlines()
        if told and told[0].lower().startswith("no devices"):
            return ()
        raise _silent(told[0] if told else f"exit status {done.returncode}")
    return tuple(_parse_row(line) for line in done.stdout.splitlines() if line.strip())


def no_gpus() -> GpuError:
    """Build the error for a machine without a GPU: it says what works all the same."""
    return GpuError(
        Message(en="There is no GPU here: nvidia-smi finds none.", zh="这台机器上没有 GPU：nvidia-smi 没有找到。"),
        hint=Message(
            en="Plan for other GPUs with --gpus 4x24GB; run a GGUF format on the CPU with --gpus 0; or use a model "
            "server elsewhere by HUOZI_LLM__BASE_URL. Without any model, answers quote sentences.",
            zh="可用 --gpus 4x24GB 为别的机器规划；用 --gpus 0 在 CPU 上运行 GGUF 格式；或用 HUOZI_LLM__BASE_URL "
            "指向别处的模型服务。没有模型时直接摘录原文作答。",
        ),
    )


def _parse_row(line: str) -> Gpu:
    index, _, rest = line.partition(",")
    name, _, mib = rest.rpartition(",")
    try:
        return Gpu(int(float(mib)) * MIB, name.strip(), int(index))
    except ValueError as error:
        # e.g. "[N/A]" of a chip that shares the machine's memory.
        raise _silent(f"{line.strip()!r}") from error


def _silent(told: str) -> GpuError:
    return GpuError(
        Message(en=f"nvidia-smi does not say which GPUs there are: {told}.", zh=f"nvidia-smi 没有给出 GPU：{told}。"),
        hint=Message(
            en="Mend the driver, or name the GPUs yourself, e.g. --gpus 4x24GB.",
            zh="请检查驱动，或自己写明 GPU，如 --gpus 4x24GB。",
        ),
    )


def _gb(size: int) -> str:
    return f"{size / GIB:.1f}".removesuffix(".0")
