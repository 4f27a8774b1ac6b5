"""A worker whose parser does to documents what they say: the start script for `ingest.sandbox.child`."""

import pytest

from ingest.sandbox import ahead
from ingest.sandbox.child import Child

START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
import os, re, signal, time
from ingest.errors import EncryptedError
from ingest.sandbox import parse as parsing, worker
plain = parsing.load
kept, lies = [], []
plain_message = worker.encode_result
worker.encode_result = lambda result: lies[0] if lies else plain_message(result)
class LongBytes(bytes):
    def __len__(self):
        return 1 << 50
def hurt(data, *, source, settings):
    if b"!kill" in data:
        signal.raise_signal(signal.SIGKILL)
    if b"!exit" in data:
        os._exit(3)
    if b"!hang" in data:
        time.sleep(600)
    if b"!spin" in data:
        re.match("(a+)+$", "a" * 60 + "b")
    if b"!deaf" in data:
        signal.setitimer(signal.ITIMER_REAL, 0)
        time.sleep(600)
    if b"!eat" in data:
        eaten = [bytearray(1 << 20) for _ in range(1 << 20)]
    if b"!fat" in data:
        kept.append(bytearray(b"x" * (400 << 20)))
    if b"!do:" in data:
        exec(data.decode().partition("!do:")[2])
    if b"!garble" in data:
        lies.append((b"[]", b"", b""))
    if b"!long" in data:
        lies.append((b"{}", LongBytes(), b""))
    if b"!print" in data:
        os.write(1, b"noise" * 1000)
        print(os.read(0, 100), flush=True)
    if b"!raise" in data:
        1 / 0
    if b"!encrypted" in data:
        raise EncryptedError(source)
    return plain(data, source=source, settings=settings)
plain_split = parsing.split
def slow_split(document, settings):
    if "!slowsplit" in document.text:
        time.sleep(600)
    return plain_split(document, settings)
parsing.load, parsing.split = hurt, slow_split
worker.main(sys.argv[2], int(sys.argv[3]))
"""


def count_starts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the list that gets the process id of each worker as it is started."""
    pids: list[int] = []

    class Counted(Child):
        def __init__(self, settings):
            super().__init__(settings)
            pids.append(self.pid)

    monkeypatch.setattr(ahead, "Child", Counted)
    return pids
