"""The real host, with less patience."""

import os

from retrieval.chroma_process import host


def main(*arguments: str) -> None:
    host.LOCK_TIMEOUT_S = float(os.environ["HUOZI_TEST_LOCK_TIMEOUT_S"])
    host.main(*arguments)
