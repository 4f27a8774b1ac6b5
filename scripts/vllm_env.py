"""Install the CPU build of vLLM, which the tests start, into its own environment `.venv-vllm`.

    .venv/bin/python scripts/vllm_env.py

It takes about 2.3 GB and a few minutes once; the second time it is there and nothing happens. pip's whole output goes
to .venv-vllm/pip.log. The wheels are for Linux on x86_64 alone; elsewhere nothing is installed, and that is said.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import sys
import venv
from pathlib import Path

import install

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".venv-vllm"
REQUIREMENTS = Path(__file__).with_name("vllm_requirements.txt")


def supported() -> bool:
    """Return whether this machine can run the CPU build."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


def wanted() -> str:
    """Return what must stand in the marker: a change of the requirements or of Python makes a new environment."""
    version = ".".join(map(str, sys.version_info[:2]))
    return f"{version} {hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()}"


def main() -> int:
    """Install; return 0 if it is there, or cannot be on this machine."""
    if not supported():
        machine = f"{platform.system()} {platform.machine()}"
        print(
            f"vLLM 的 CPU 版只有 Linux x86_64 的安装包，本机是 {machine}：不运行 vLLM 测试。\n"
            f"The CPU build of vLLM exists for Linux x86_64 alone, this is {machine}: its tests are left out.",
            file=sys.stderr,
        )
        return 0
    marker = FOLDER / ".installed"
    if marker.exists() and marker.read_text() == wanted():
        return 0
    print("安装测试用的 vLLM（一次，约 2.3 GB）/ installing vLLM for the tests (once, 2.3 GB)", file=sys.stderr)
    shutil.rmtree(FOLDER, ignore_errors=True)
    venv.create(FOLDER, with_pip=True, symlinks=True)
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    total = sum(bool(line) and not line.startswith("#") for line in lines)
    arguments = ["--no-deps", "-r", str(REQUIREMENTS)]
    code = install.pip_install(str(FOLDER / "bin" / "python"), arguments, log=FOLDER / "pip.log", total=total)
    if code == 0:
        marker.write_text(wanted())
    return code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
