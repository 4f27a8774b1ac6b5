"""A host that ends as soon as it is started."""

import sys


def main(*_: str) -> None:
    sys.exit(3)
