"""Where the evaluation sets lie, for tests that use them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

EVAL_DIR = Path(os.environ.get("HUOZI_EVAL_DIR", Path(__file__).parents[4] / "shared" / "eval"))

needs_eval_data = pytest.mark.skipif(
    not (EVAL_DIR / "evaluate.py").is_file(), reason=f"no evaluation data at {EVAL_DIR}; set HUOZI_EVAL_DIR"
)
