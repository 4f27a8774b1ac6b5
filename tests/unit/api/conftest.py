from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.api.service import FakeFolder


@pytest.fixture
def folder(tmp_path: Path) -> FakeFolder:
    return FakeFolder(tmp_path)
