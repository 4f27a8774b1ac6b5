"""Words for people: Chinese by default, English beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrieval.errors import Language

Say = Callable[[str, str], str]
"""say(zh, en): the sentence in the user's language."""


def speaker(language: Language) -> Say:
    """Return the function that chooses between two sentences."""
    return (lambda zh, _en: zh) if language == "zh" else (lambda _zh, en: en)
