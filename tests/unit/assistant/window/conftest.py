from __future__ import annotations

from pathlib import Path

import pytest

from tests.tokenize_server import tokenizer_file


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's tokenizer.json: huozi's vocabulary size and its way of falling back to bytes."""
    return tokenizer_file(tmp_path_factory.mktemp("tokenizer"))
