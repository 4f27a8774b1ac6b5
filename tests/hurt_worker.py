"""A worker whose parser does to documents what they say: the start script for `ingest.sandbox.child`."""

START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
import os, re, signal, time
from ingest.errors import EncryptedError
from ingest.sandbox import worker
plain = worker.parse
kept = []
class LongBytes(bytes):
    def __len__(self):
        return 1 << 50
def hurt(job, settings):
    if b"!kill" in job.data:
        signal.raise_signal(signal.SIGKILL)
    if b"!exit" in job.data:
        os._exit(3)
    if b"!hang" in job.data:
        time.sleep(600)
    if b"!spin" in job.data:
        re.match("(a+)+$", "a" * 60 + "b")
    if b"!deaf" in job.data:
        signal.setitimer(signal.ITIMER_REAL, 0)
        time.sleep(600)
    if b"!eat" in job.data:
        eaten = [bytearray(1 << 20) for _ in range(1 << 20)]
    if b"!fat" in job.data:
        kept.append(bytearray(b"x" * (400 << 20)))
    if b"!do:" in job.data:
        exec(job.data.decode().partition("!do:")[2])
    if b"!garble" in job.data:
        worker.encode_result = lambda result: (b"[]", b"", b"")
    if b"!long" in job.data:
        worker.encode_result = lambda result: (b"{}", LongBytes(), b"")
    if b"!print" in job.data:
        os.write(1, b"noise" * 1000)
        print(os.read(0, 100), flush=True)
    if b"!raise" in job.data:
        raise_as_the_parsers_do(job)
    if b"!encrypted" in job.data:
        raise EncryptedError(job.source)
    return plain(job, settings)
def raise_as_the_parsers_do(job):
    from ingest.errors import ParserCrashedError
    raise ParserCrashedError(job.source, "ZeroDivisionError")
worker.parse = hurt
worker.main(sys.argv[2], int(sys.argv[3]))
"""
