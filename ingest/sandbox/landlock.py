"""What a parser may read (Linux 5.13 and later): Python, its packages, the system's libraries; nothing of the user's.

Landlock is the kernel's way for a process without privileges to give up access to files. Whatever is not granted below
cannot be opened, read or written: home folders, the data folder, keys, other processes' memory under /proc.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import sysconfig
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # The same on every architecture.
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_N_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
"""Rights on files by the kernel's version of this; 16 from the fifth on."""
_SYSTEM = ("/usr", "/lib", "/lib64", "/sys/devices/system/cpu", "/proc/self", "/dev/null", "/dev/urandom")
_SYSTEM_FILES = (
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/self",
)


def readable() -> list[str]:
    """Return what a parser may read: folders with all below them, and files."""
    found = [*_SYSTEM, *_SYSTEM_FILES, sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()]
    # The current folder holds data, not packages; ours are added by name.
    found += [entry for entry in sys.path if entry and Path(entry).resolve() != Path.cwd()]
    for package in ("ingest", "retrieval"):
        spec = find_spec(package)
        found += list(spec.submodule_search_locations or ()) if spec is not None else []
    return sorted({str(Path(entry).resolve()) for entry in found if Path(entry).exists()})


def apply(paths: Iterable[str]) -> bool:
    """Leave to this thread, and all that it will start, reading these paths; tell whether the kernel took it."""
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 1:
        return False
    handled = (1 << _N_RIGHTS.get(version, 16)) - 1
    attribute = struct.pack("<Q", handled)
    rules = libc.syscall(_CREATE, attribute, ctypes.c_size_t(len(attribute)), ctypes.c_uint32(0))
    if rules < 0:
        return False
    try:
        return all(_grant(libc, rules, path) for path in paths) and (
            libc.syscall(_RESTRICT, ctypes.c_int(rules), ctypes.c_uint32(0)) == 0
        )
    finally:
        os.close(rules)


def _grant(libc: ctypes.CDLL, rules: int, path: str) -> bool:
    rights = _READ_FILE | (_READ_DIR if os.path.isdir(path) else 0)
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("<Qi", rights, descriptor)
        return bool(libc.syscall(_ADD_RULE, ctypes.c_int(rules), _PATH_BENEATH, rule, ctypes.c_uint32(0)) == 0)
    finally:
        os.close(descriptor)
