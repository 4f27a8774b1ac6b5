"""What an answer is made of, and the events it arrives as.

One streaming path: `sources` comes before the first `text`; exactly one `done` or `error` comes last; closing the
iterator closes the model's stream. The plain answer is these events collected: `text` is settled and never taken back,
`draft` is what a reader may see until then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from assistant.sources.source import Source
from assistant.window.cut import Cut
from retrieval.errors import HuoziError
from retrieval.models import Retrieval, ScoredChunk

Role = Literal["user", "assistant", "system"]
AnswerMode = Literal["generated", "extractive", "refused", "spoken"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the model server counted them; zeros where no model was asked.

    Args:
        prompt_tokens: Of the prompt.
        completion_tokens: Of the answer.
        cached_tokens: Those of the prompt that its prefix cache served; None where it does not tell.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int | None = None

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Citation:
    """A number in the answer and the place it stands for.

    Args:
        index: The n of `[n]` in the answer's text, from 1.
        source: The cited chunk.
        quote: The words that support the sentence: exactly parsed_text[start:end] of the chunk's document version.
        start: First character of the quote in the document's parsed text.
        end: One past the last.
        page: Page of the quote's first character, 1-based, or None.
    """

    index: int
    source: ScoredChunk
    quote: str
    start: int
    end: int
    page: int | None


DropReason = Literal["no_such_source", "number", "date", "name", "negation", "words", "quote", "verdict"]
"""Why a citation was dropped: its number stands for nothing; its source does not hold the sentence's number, date, name
or words, or says the opposite; no quote of it was found; the model was asked, and said no."""


@dataclass(frozen=True, slots=True)
class DroppedCitation:
    """A marker of the model's that did not pass the check.

    Args:
        index: The n of `[n]` as the model wrote it.
        sentence: The sentence it stood for.
        reason: Why it was dropped.
    """

    index: int
    sentence: str
    reason: DropReason


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question.

    Args:
        question: As asked.
        collection: The collection's name.
        text: What the user reads, with `[n]` markers.
        mode: `generated` by a model, `extractive` (quoted sentences), `refused`, or `spoken`: a greeting and the like,
            answered without documents.
        citations: Checked citations, by index.
        usage: Tokens.
        model: The model that wrote it; `extractive` where none did.
        finish_reason: `stop` or `length`.
        retrieval: What was found.
        unsupported: (start, end) in `text` of the sentences of fact that no source supports, ascending; in strict mode
            none, for there they are dropped.
        dropped: Citations that the model wrote and the check took out.
        cut: How the prompt was fitted into the model's window; None where no model was asked.
        answer_id: `chatcmpl-...`, by which its trace is found later.
        trace: How it came about; see assistant/trace.py.
    """

    question: str
    collection: str
    text: str
    mode: AnswerMode
    citations: tuple[Citation, ...]
    model: str
    retrieval: Retrieval
    usage: Usage = field(default_factory=Usage)
    finish_reason: Literal["stop", "length"] = "stop"
    unsupported: tuple[tuple[int, int], ...] = ()
    dropped: tuple[DroppedCitation, ...] = ()
    cut: Cut | None = None
    answer_id: str = ""
    trace: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def refused(self) -> bool:
        """Whether the documents do not hold the answer."""
        return self.mode == "refused"


@dataclass(frozen=True, slots=True)
class SourcesEvent:
    """What the answer may cite."""

    sources: tuple[Source, ...]
    mode: AnswerMode
    type: Literal["sources"] = "sources"


@dataclass(frozen=True, slots=True)
class TextEvent:
    """More of the answer's text."""

    text: str
    type: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class DraftEvent:
    """The model's words as they come, not yet checked.

    Drafts follow one another and may be shown until the next `text` event, which takes the place of all of them; it is
    empty where a sentence was dropped. What is still not settled then is drafted again after it.
    """

    text: str
    type: Literal["draft"] = "draft"


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """What the model server counted."""

    usage: Usage
    type: Literal["usage"] = "usage"


@dataclass(frozen=True, slots=True)
class DoneEvent:
    """The whole answer; its text is all `text` events joined."""

    answer: Answer
    type: Literal["done"] = "done"


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """The answer broke off."""

    error: HuoziError
    type: Literal["error"] = "error"


AnswerEvent = SourcesEvent | DraftEvent | TextEvent | UsageEvent | DoneEvent | ErrorEvent
