"""One template file per prompt, and the function that loads them.

A template's first line is a comment that says who fills which slot, e.g.
`# assistant/context.py fills: sources, question`. The rest is text with `{slot}` marks; other braces are doubled.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from string import Formatter


class PromptError(ValueError):
    """A template is missing, or its slots are not the ones its first line names."""


class Prompt:
    """A loaded template.

    Attributes:
        name: File name without `.txt`.
        slots: The slots that `fill` wants, all of them.
    """

    def __init__(self, name: str, text: str) -> None:
        comment, _, body = text.partition("\n")
        named = comment.partition("fills:")[2]
        self.name = name
        self.slots = frozenset(slot for slot in (part.strip() for part in named.split(",")) if slot)
        self._body = body.rstrip("\n")
        if not comment.startswith("#"):
            raise PromptError(f"The first line of prompt {name!r} is {comment!r}, not a comment that names its slots.")
        found = {slot for _, slot, _, _ in Formatter().parse(self._body) if slot is not None}
        if found != self.slots:
            raise PromptError(f"Prompt {name!r} names the slots {sorted(self.slots)}, but holds {sorted(found)}.")

    def fill(self, **values: str) -> str:
        """Return the text with every slot filled; what is filled in is never read as a template.

        Raises:
            PromptError: If a slot is missing or unknown.
        """
        if values.keys() != self.slots:
            raise PromptError(f"Prompt {self.name!r} has the slots {sorted(self.slots)}, got {sorted(values)}.")
        return self._body.format(**values)


@cache
def load(name: str) -> Prompt:
    """Load the template `name`.

    Raises:
        PromptError: If there is no such template, or its slots are not the ones it names.
    """
    try:
        text = (files("prompts") / f"{name}.txt").read_text(encoding="utf-8")
    except OSError as error:
        raise PromptError(f"There is no prompt {name!r}.") from error
    return Prompt(name, text)
