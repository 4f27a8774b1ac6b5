"""A worker is asked to do what a parser may not do: it fails that document, and nothing has happened."""

import errno
import os
import struct
import sys
from pathlib import Path

import pytest

from ingest.errors import ParserCrashedError
from ingest.sandbox import child as child_module
from ingest.sandbox import confine, landlock, seccomp
from ingest.sandbox.child import Child, environment
from ingest.sandbox.parse import ParseJob
from ingest.settings import IngestSettings
from tests.hurt_worker import START

DEADLINE_S = 60.0
ALL_LAYERS = ("limits", "reading", "calls", "audit")
linux = pytest.mark.skipif(sys.platform != "linux", reason="layers of the Linux kernel")


@pytest.fixture(scope="module")
def child():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child_module, "_START", START)
        patch.setenv("HUOZI_LLM__API_KEY", "sk-hidden")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
        with Child(IngestSettings()) as started:
            assert started.is_ready(DEADLINE_S)
            yield started


def do(child, code):
    """Let the worker run code; return what it said, or the error's words."""
    child.send(ParseJob("a.txt", f"!do:\n{code}".encode()))
    result = child.receive()
    return result.message.en if isinstance(result, ParserCrashedError) else result


@linux
def test_every_layer_holds_when_the_kernel_has_them(child):
    assert child.layers == ALL_LAYERS


CALLS = {
    "socket": "import socket; socket.socket()",
    "address": "import socket; socket.getaddrinfo('example.org', 80)",
    "program": "import subprocess; subprocess.run(['true'])",
    "shell": "os.system('true')",
    "fork": "os.fork()",
    "kill": "os.kill(os.getppid(), 0)",
    "write": "open({path!r}, 'w')",
    "append": "open({path!r}, 'ab')",
    "create": "os.open({path!r}, os.O_CREAT | os.O_WRONLY)",
    "remove": "os.remove({there!r})",
    "rename": "os.rename({there!r}, {path!r})",
    "mkdir": "os.mkdir({path!r})",
    "link": "os.symlink({there!r}, {path!r})",
    "chmod": "os.chmod({there!r}, 0)",
    "truncate": "os.truncate({there!r}, 0)",
}


@pytest.mark.parametrize("code", CALLS.values(), ids=CALLS)
def test_document_fails_when_its_parser_does_what_parsers_may_not(child, tmp_path, code):
    path, there = tmp_path / "new", tmp_path / "there"
    there.write_text("秘密", "utf-8")

    told = do(child, code.format(path=str(path), there=str(there)))

    assert isinstance(told, str) and "PermissionError: a parser may not do this" in told
    assert not path.exists() and there.read_text("utf-8") == "秘密" and there.stat().st_mode & 0o777


NATIVE = {  # Past Python's own functions, as a library in another language would do it: libc, then the bare call.
    "socket": "libc.socket(2, 1, 0)",
    "unix socket": "libc.socket(1, 1, 0)",
    "pair": "libc.socketpair(1, 1, 0, (ctypes.c_int * 2)())",
    "fork": "libc.fork()",
    "program": "libc.execv(b'/bin/true', (ctypes.c_char_p * 2)(b'true', None))",
    "write": "libc.open({path!r}.encode(), os.O_CREAT | os.O_WRONLY, 0o600)",
    "fopen": "0 if libc.fopen({path!r}.encode(), b'w') else -1",
    "remove": "libc.unlink({there!r}.encode())",
    "rename": "libc.rename({there!r}.encode(), {path!r}.encode())",
    "mkdir": "libc.mkdir({path!r}.encode(), 0o700)",
    "chmod": "libc.chmod({there!r}.encode(), 0)",
    "kill": "libc.kill(os.getppid(), 0)",
    "trace": "libc.ptrace(16, os.getppid(), 0, 0)",
    "unlimited": "resource.prlimit(0, resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))",
    "own memory": "libc.syscall(425, 8, 0)",
}


@linux
@pytest.mark.parametrize("code", NATIVE.values(), ids=NATIVE)
def test_kernel_refuses_when_native_code_does_what_parsers_may_not(child, tmp_path, code):
    path, there = tmp_path / "new", tmp_path / "there"
    there.write_text("秘密", "utf-8")
    call = code.format(path=str(path), there=str(there))

    told = do(
        child,
        "import ctypes, os, resource\nlibc = ctypes.CDLL(None, use_errno=True); libc.fopen.restype = ctypes.c_void_p\n"
        f"try: got = {call}\nexcept PermissionError: got, failed = -1, {errno.EPERM}\n"
        "else: failed = ctypes.get_errno()\n"
        "raise ValueError([got, failed])",
    )

    assert isinstance(told, str)
    # The layer for reading is asked first, and has an error of its own.
    assert f"[-1, {errno.EPERM}]" in told or f"[-1, {errno.EACCES}]" in told
    assert not path.exists() and there.read_text("utf-8") == "秘密" and there.stat().st_mode & 0o777


@linux
@pytest.mark.parametrize("place", ["home", "data", "/etc/passwd", "/etc/hostname", "/proc/1/environ"])
def test_nothing_of_the_users_is_readable_when_a_parser_tries(child, tmp_path, place):
    path = tmp_path / place  # An absolute place stays one.
    if path.is_relative_to(tmp_path):
        path.write_text("秘密", "utf-8")

    told = do(child, f"open({str(path)!r}).read()")

    assert isinstance(told, str) and "PermissionError: [Errno 13]" in told


def test_no_key_is_in_the_environment_when_a_worker_runs(child):
    told = do(child, "raise ValueError(sorted(os.environ))")

    assert isinstance(told, str) and "PATH" in told
    assert not any(word in told for word in ("HUOZI", "AWS", "KEY"))


def test_environment_holds_paths_and_locale_alone():
    ours = {
        "PATH": "/bin",
        "LANG": "C.UTF-8",
        "HUOZI_LLM__API_KEY": "k",
        "HTTPS_PROXY": "http://u:p@h",
        "HOME": "/root",
    }

    passed = environment(ours)

    assert {name: passed[name] for name in passed if not name.endswith(("_THREADS", "_MAX"))} == {
        "PATH": "/bin",
        "LANG": "C.UTF-8",
    }


def test_document_after_a_refused_one_is_parsed(child):
    do(child, "open('x', 'w')")

    child.send(ParseJob("b.txt", "年假五天。".encode()))

    assert child.receive().document.text == "年假五天。"


def test_hook_lets_reading_pass():
    confine.refuse("open", ("a.txt", "r", os.O_RDONLY | os.O_CLOEXEC))
    confine.refuse("import", ("docx", None, None, None, None))
    with pytest.raises(PermissionError, match="socket.connect"):
        confine.refuse("socket.connect", (None, ("127.0.0.1", 80)))


@linux
def test_data_folder_is_not_readable_when_the_program_runs_from_the_folder_above(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), *sys.path])

    paths = landlock.readable()

    assert not any(tmp_path.is_relative_to(path) for path in paths)
    assert any(Path(confine.__file__).is_relative_to(path) for path in paths)


def decide(machine, number, arguments=(), *, arch=None, pid=77):
    """Run the filter as the kernel would; return the error number, or 0 where the call is allowed."""
    calls = seccomp.calls_of(machine)
    steps = seccomp.program(calls, pid)
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, calls.audit_arch if arch is None else arch, 0, *padded)
    position = accumulator = 0
    while True:
        code, if_true, if_false, constant = steps[position]
        position += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, constant)
        elif code == 0x06:
            return constant & 0xFFFF if constant & 0x7FFF0000 == 0x00050000 else 0
        else:
            holds = {0x15: accumulator == constant, 0x35: accumulator >= constant, 0x45: bool(accumulator & constant)}
            position += if_true if holds[code] else if_false


@pytest.mark.parametrize(
    ("machine", "number", "arguments", "outcome"),
    [
        ("x86_64", 41, (), errno.EPERM),  # socket
        ("x86_64", 59, (), errno.EPERM),  # execve
        ("x86_64", 435, (), errno.ENOSYS),  # clone3
        ("x86_64", 0, (3,), 0),  # read
        ("x86_64", 1, (3,), 0),  # write, to what is open already
        ("x86_64", 9, (), 0),  # mmap
        ("x86_64", 257, (0, 0, os.O_RDONLY), 0),  # openat
        ("x86_64", 257, (0, 0, os.O_RDWR), errno.EPERM),
        ("x86_64", 257, (0, 0, os.O_CREAT), errno.EPERM),
        ("x86_64", 2, (0, os.O_WRONLY), errno.EPERM),  # open
        ("x86_64", 56, (0x10F00,), 0),  # clone: a thread
        ("x86_64", 56, (17,), errno.EPERM),  # clone: a process
        ("x86_64", 234, (77, 77, 6), 0),  # tgkill: abort()
        ("x86_64", 62, (78, 9), errno.EPERM),  # kill: another process
        ("x86_64", 302, (0, 1, 0, 4096), 0),  # prlimit64: asks
        ("x86_64", 302, (0, 1, 4096, 0), errno.EPERM),  # prlimit64: sets
        ("x86_64", 0x40000000 + 41, (), errno.EPERM),  # the same call by another ABI
        ("aarch64", 198, (), errno.EPERM),  # socket
        ("aarch64", 221, (), errno.EPERM),  # execve
        ("aarch64", 56, (0, 0, os.O_RDONLY), 0),  # openat
        ("aarch64", 56, (0, 0, os.O_WRONLY), errno.EPERM),
        ("aarch64", 63, (3,), 0),  # read
        ("aarch64", 220, (0x10F00,), 0),  # clone: a thread
        ("aarch64", 220, (17,), errno.EPERM),
        ("aarch64", 131, (77, 77, 6), 0),  # tgkill
        ("aarch64", 35, (), errno.EPERM),  # unlinkat
    ],
)
def test_filter_decides_as_listed(machine, number, arguments, outcome):
    assert decide(machine, number, arguments) == outcome


def test_filter_refuses_calls_of_another_architecture():
    assert decide("x86_64", 0, arch=0x40000003) == errno.EPERM
    assert seccomp.calls_of("sparc64") is None
