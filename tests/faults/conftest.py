"""Faults are given to workers that start within the test, and no test after it gets one of them."""

from collections.abc import Iterator

import pytest

from ingest.sandbox.spares import SPARES


@pytest.fixture(autouse=True)
def no_spare_workers() -> Iterator[None]:
    SPARES.close()
    yield
    SPARES.close()
