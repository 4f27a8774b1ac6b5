"""What the HTTP service is built of: the opened data folder and the assistant, or a test's own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from assistant.events import AnswerEvent, Turn

if TYPE_CHECKING:
    from assistant.trace import KeepsTraces
    from retrieval.catalog import TraceRecord
    from retrieval.catalog.job_record import JobRecord
    from retrieval.data_folder import DataFolder


class Answers(Protocol):
    """What the routes ask of `assistant.Assistant`.

    Attributes:
        traces: How its answers came about.
    """

    traces: KeepsTraces | None

    def astream(
        self,
        question: str,
        history: Sequence[Turn] = (),
        collection: str = "default",
        *,
        system: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        stop: Sequence[str] | None = None,
        answer_id: str | None = None,
        drafts: bool = True,
    ) -> AsyncGenerator[AnswerEvent, None]:
        """Answer one question as events; closing the iterator stops the work."""

    async def aclose(self) -> None:
        """Close the connections that the running event loop opened."""


class ReadsTraces(Protocol):
    """What the routes ask for traces."""

    def get(self, answer_id: str) -> TraceRecord:
        """Return one trace, or raise AnswerNotFoundError."""

    def list(self, limit: int, *, after: str | None = None) -> Sequence[TraceRecord]:
        """Return traces, newest first; those behind `after`."""


class Keys(Protocol):
    """What the guard asks of the catalog's API keys."""

    def any(self) -> bool:
        """Return whether any live key exists."""

    def verify(self, token: str, /) -> object | None:
        """Return the key that the token is of, or None."""


class ShowsJobs(Protocol):
    """What the routes ask of what works on jobs."""

    @property
    def n_changes(self) -> int:
        """A number that grows with every change of any job."""

    def shown(self, record: JobRecord, /) -> JobRecord:
        """Return a job with what is known of it at this moment: stage and counts."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The objects that the routes call.

    Args:
        folder: Catalog, indexes and originals.
        assistant: Answers questions.
        jobs: Works on uploaded files; None: they wait.
    """

    folder: DataFolder
    assistant: Answers
    jobs: ShowsJobs | None = None

    @property
    def keys(self) -> Keys:
        """The catalog's API keys."""
        return self.folder.catalog.keys

    @property
    def kept_answers(self) -> ReadsTraces:
        """How answers came about: also those whose traces are still to be written, if the assistant keeps any."""
        return self.assistant.traces or self.folder.catalog.answers

    @property
    def owner_token(self) -> str:
        """What a command line that may read the data folder shows."""
        return self.folder.owner_token
