"""What is sent to the model: messages that fit, and the record of what did not."""

from __future__ import annotations

from dataclasses import dataclass, field

from assistant.events import Turn
from assistant.sources.source import Source
from assistant.window.cut import Cut


@dataclass(frozen=True, slots=True)
class ContextWindow:
    """What is sent to the model.

    Args:
        messages: System turn, history, last user turn.
        sources: What `[n]` in the answer may stand for, as they are shown.
        cut: What was left out, and what the tokens go to.
    """

    messages: tuple[Turn, ...]
    sources: tuple[Source, ...]
    cut: Cut = field(default_factory=Cut)
