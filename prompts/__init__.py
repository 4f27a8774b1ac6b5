"""One template file per prompt, one per model's chat format, and the functions that load them.

A prompt (`NAME.txt`) starts with a comment that says who fills which slot, e.g.
`# assistant/context.py fills: sources, question`. The rest is text with `{slot}` marks; other braces are doubled.
A chat template (`NAME.jinja`) turns a conversation into the text that the model was trained on: docs/template.md.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
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


def chat_templates() -> tuple[str, ...]:
    """Return the names of the chat templates, sorted."""
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.jinja")))


def chat_template_path(name: str) -> Path:
    """Return the file of a chat template, e.g. for `vllm serve --chat-template`.

    Raises:
        PromptError: If there is no such chat template.
    """
    if name not in chat_templates():
        raise PromptError(f"There is no chat template {name!r}; there are {', '.join(chat_templates())}.")
    return Path(__file__).parent / f"{name}.jinja"


@cache
def chat_template(name: str) -> str:
    """Return the source of a chat template.

    Raises:
        PromptError: If there is no such chat template.
    """
    return chat_template_path(name).read_text(encoding="utf-8")
