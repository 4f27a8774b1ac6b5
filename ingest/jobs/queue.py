"""Whose turn it is, how long to wait after a failure, and which failures are for good (pure)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ingest.errors import IngestError
from retrieval.errors import (
    CatalogVersionError,
    CollectionNotFoundError,
    EmbedderMismatchError,
    HuoziError,
    Message,
    MissingExtraError,
)

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 300.0
_FOR_GOOD = (CatalogVersionError, CollectionNotFoundError, EmbedderMismatchError, MissingExtraError)


def next_collection(waiting: Collection[str], served: Mapping[str, int]) -> str:
    """Return the collection that was served longest ago; those never served come first, by id.

    Args:
        waiting: Those with a job that may begin; at least one.
        served: The number of the last turn that each had.
    """
    return min(waiting, key=lambda collection_id: (served.get(collection_id, -1), collection_id))


def delay_s(attempts: int) -> float:
    """Return how long to wait after so many attempts that failed, in seconds: 1, 2, 4, ... up to 5 minutes."""
    return float(min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(max(attempts - 1, 0), 16)))


def is_passing(error: BaseException) -> bool:
    """Tell whether the same job may succeed later: it is not the file's fault, and nobody has to do anything."""
    if isinstance(error, IngestError):
        return error.retryable
    return not isinstance(error, _FOR_GOOD)


def told(error: BaseException) -> HuoziError:
    """Return an error as a job can tell it."""
    if isinstance(error, HuoziError):
        return error
    name = type(error).__name__
    return HuoziError(
        Message(en=f"An unforeseen error ({name}).", zh=f"发生未预料的错误（{name}）。"),
        hint=Message(en="See the service's log.", zh="请查看服务日志。"),
    )
