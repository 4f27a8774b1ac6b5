"""Whose turn it is, how long to wait after a failure, and which failures are for good (pure)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import ceil

from ingest.errors import IngestError
from ingest.settings import JobSettings
from retrieval.errors import (
    CatalogError,
    CatalogVersionError,
    CollectionNotFoundError,
    EmbedderError,
    EmbedderMismatchError,
    HuoziError,
    Message,
    MissingExtraError,
    VectorStoreError,
)

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 60.0
_FOR_GOOD = (CatalogVersionError, CollectionNotFoundError, EmbedderMismatchError, MissingExtraError)
_OUTAGES = (CatalogError, EmbedderError, VectorStoreError, OSError)


def next_collection(waiting: Collection[str], served: Mapping[str, int]) -> str:
    """Return the collection that was served longest ago; those never served come first, by id.

    Args:
        waiting: Those with a job that may begin; at least one.
        served: The number of the last turn that each had.
    """
    return min(waiting, key=lambda collection_id: (served.get(collection_id, -1), collection_id))


def delay_s(attempts: int) -> float:
    """Return how long to wait after so many attempts that failed, in seconds: 1, 2, 4, ... up to a minute."""
    return float(min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(max(attempts - 1, 0), 16)))


def may_try_again(error: BaseException, attempts: int, settings: JobSettings) -> bool:
    """Tell whether a job is to be begun again after an attempt that failed.

    Args:
        error: What stopped it.
        attempts: How often it was begun, this time included.
        settings: How often that may be. Hours are counted in the delays between attempts, whatever a clock says.
    """
    if isinstance(error, _FOR_GOOD) or isinstance(error, IngestError) and not error.retryable:
        return False
    if is_outage(error):
        return attempts < attempts_within(settings.outage_hours)
    return attempts < settings.attempts


def is_outage(error: BaseException) -> bool:
    """Tell whether an error keeps other jobs from going on too, and ends without anybody touching a job."""
    return isinstance(error, _OUTAGES) and not isinstance(error, _FOR_GOOD)


def attempts_within(hours: float) -> int:
    """Return how many attempts there are until the delays between them add up to so many hours; at least 1."""
    left, attempts = hours * 3600.0, 1
    while left > 0 and delay_s(attempts) < LONGEST_DELAY_S:
        left -= delay_s(attempts)
        attempts += 1
    return attempts + max(0, ceil(left / LONGEST_DELAY_S))


def told(error: BaseException) -> HuoziError:
    """Return an error as a job can tell it."""
    if isinstance(error, HuoziError):
        return error
    name = type(error).__name__
    return HuoziError(
        Message(en=f"An unforeseen error ({name}).", zh=f"发生未预料的错误（{name}）。"),
        hint=Message(en="See the service's log.", zh="请查看服务日志。"),
    )
