"""A worker whose parser does to documents what they say: the start script for `ingest.sandbox.child`."""

START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
import os, signal, time
from ingest.errors import EncryptedError
from ingest.sandbox import worker
plain = worker.parse
def hurt(job, settings):
    if b"!kill" in job.data:
        os.kill(os.getpid(), signal.SIGKILL)
    if b"!exit" in job.data:
        os._exit(3)
    if b"!hang" in job.data:
        time.sleep(600)
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
