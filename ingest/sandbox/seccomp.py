"""System calls that a parser may not make: no network, no file made or changed, no program, no other process.

Linux runs a small program over every call (seccomp-BPF), for processes without privileges too, since 3.17. It holds for
native code, which an audit hook never sees. Calls are listed by what they are for; whatever is not listed is allowed,
since each C library and allocator has needs of its own. The numbers are the kernel's, in syscall_64.tbl (x86-64) and
asm-generic/unistd.h (ARM64).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, constant: `struct sock_filter`."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_NUMBER, _ARCH = 0, 4
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CLONE_THREAD = 0x10000
_OTHER_ABI = 0x40000000  # x86-64 with 32-bit pointers has its calls from here on.


@dataclass(frozen=True, slots=True)
class Calls:
    """One architecture's numbers.

    Args:
        audit_arch: What the kernel calls the architecture.
        refused: Never allowed.
        absent: Answered as by a kernel that has none, so that the C library falls back: their arguments are in memory.
        opens: Number -> which argument holds the flags; refused where they write.
        signals: First argument is a process; refused unless it is this one.
        clone: Allowed for threads.
        prlimit: Allowed where no limit is set.
    """

    audit_arch: int
    refused: tuple[int, ...]
    absent: tuple[int, ...]
    opens: tuple[tuple[int, int], ...]
    signals: tuple[int, ...]
    clone: int
    prlimit: int


_COMMON = (
    (424, 434, 438)  # pidfd_send_signal, pidfd_open, pidfd_getfd
    + (425, 426, 427)  # io_uring
    + (428, 429, 430, 431, 432, 433)  # open_tree, move_mount, fsopen, fsconfig, fsmount, fspick
    + (442, 452)  # mount_setattr, fchmodat2
)
_ABSENT = (435, 437)  # clone3, openat2
_CALLS = {
    "x86_64": Calls(
        audit_arch=0xC000003E,
        refused=(
            (41, 42, 43, 44, 46, 49, 50, 53, 288, 307)  # socket ... socketpair, accept4, sendmmsg
            + (57, 58, 59, 322)  # fork, vfork, execve, execveat
            + (76, 77, 82, 83, 84, 85, 86, 87, 88, 285)  # truncate, rename, mkdir, rmdir, creat, link, ..., fallocate
            + (258, 259, 263, 264, 265, 266, 316, 133)  # the same, relative to a folder; mknod
            + (90, 91, 92, 93, 94, 260, 268)  # chmod, chown
            + (132, 235, 261, 280, 188, 189, 190, 197, 198, 199)  # times and extended attributes
            + (101, 310, 311, 129, 297)  # ptrace, process_vm_*, rt_sigqueueinfo, rt_tgsigqueueinfo
            + (29, 64, 68, 248, 249, 250)  # shared memory, semaphores, queues; keys
            + (155, 161, 165, 166, 169, 175, 246, 272, 308, 313)  # mounts, roots, reboot, modules, namespaces
            + (160, 298, 321, 323)  # setrlimit, perf_event_open, bpf, userfaultfd
            + _COMMON
        ),
        absent=_ABSENT,
        opens=((2, 1), (257, 2)),
        signals=(62, 200, 234),
        clone=56,
        prlimit=302,
    ),
    "aarch64": Calls(
        audit_arch=0xC00000B7,
        refused=(
            (198, 199, 200, 201, 202, 203, 206, 211, 242, 269)
            + (221, 281)
            + (45, 46, 47, 33, 34, 35, 36, 37, 38, 276)
            + (52, 53, 54, 55, 88, 5, 6, 7, 14, 15, 16)
            + (117, 270, 271, 138, 240)
            + (194, 190, 186, 217, 218, 219)
            + (39, 40, 41, 51, 97, 104, 105, 142, 268, 273)
            + (164, 241, 280, 282)
            + _COMMON
        ),
        absent=_ABSENT,
        opens=((56, 2),),
        signals=(129, 130, 131),
        clone=220,
        prlimit=261,
    ),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def calls_of(machine: str) -> Calls | None:
    """Return the numbers of an architecture (`platform.machine()`), or None where we have none."""
    return _CALLS.get(machine)


def program(calls: Calls, pid: int) -> list[Instruction]:
    """Return the filter (pure).

    Args:
        calls: The architecture's numbers.
        pid: The process that may still be signalled: a library's `abort` does so to its own.
    """
    steps: list[Instruction] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, calls.audit_arch),
        (_RETURN, 0, 0, _REFUSE | errno.EPERM),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _OTHER_ABI),
        (_RETURN, 0, 0, _REFUSE | errno.EPERM),
    ]
    for numbers, error in ((calls.refused, errno.EPERM), (calls.absent, errno.ENOSYS)):
        for number in numbers:
            steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE | error)]
    for number, argument in calls.opens:
        steps += _if_call(number, _where(argument, _ANY_BIT, _WRITES, allowed_if=False))
    for number in calls.signals:
        steps += _if_call(number, _where(0, _EQUAL, pid, allowed_if=True))
    steps += _if_call(calls.clone, _where(0, _ANY_BIT, _CLONE_THREAD, allowed_if=True))
    steps += _if_call(calls.prlimit, _where(2, _EQUAL, 0, allowed_if=True))
    return [*steps, (_RETURN, 0, 0, _ALLOW)]


def _if_call(number: int, then: list[Instruction]) -> list[Instruction]:
    return [(_EQUAL, 0, len(then), number), *then]


def _where(argument: int, test: int, value: int, *, allowed_if: bool) -> list[Instruction]:
    """Test an argument's lower half; every one of ours fits in it."""
    to_refusal = (0, 1) if allowed_if else (1, 0)
    allow, refuse = (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE | errno.EPERM)
    return [(_LOAD, 0, 0, 16 + 8 * argument), (test, *to_refusal, value), allow, refuse]


def forgo_privileges() -> bool:
    """Bar this process from ever gaining any by starting a program: what the kernel asks of who adds restrictions."""
    zero = ctypes.c_ulong(0)
    return bool(ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero) == 0)


def apply() -> bool:
    """Put the filter on this thread and all that it will start; tell whether the kernel took it."""
    calls = calls_of(platform.machine())
    if calls is None or struct.calcsize("P") != 8:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    packed = _packed(program(calls, os.getpid()))
    argument = _Program(len(packed) // 8, packed)
    zero = ctypes.c_ulong(0)
    return bool(libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), ctypes.byref(argument), zero, zero) == 0)


def _packed(steps: Iterable[Instruction]) -> bytes:
    return b"".join(struct.pack("<HBBI", *step) for step in steps)
