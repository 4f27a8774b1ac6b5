"""Traces of answers: how each came about, as JSON, kept for a while."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from retrieval.catalog.database import Database
from retrieval.catalog.tables import answers, collections
from retrieval.errors import AnswerNotFoundError, Message

_LEVEL = 6  # of zlib; a trace shrinks to a fifth, higher levels gain nothing

# The collection is looked up by the statement itself: a transaction that began by reading would not wait for a lock.
_INSERT = sa.text(
    """
    INSERT OR REPLACE INTO answers (id, collection_id, created_at, body)
    SELECT :id, found.id, :created_at, :body
    FROM (SELECT 1) LEFT JOIN (
        SELECT id FROM collections WHERE name = :collection OR id = :collection ORDER BY name <> :collection LIMIT 1
    ) AS found ON TRUE
    WHERE found.id IS NOT NULL OR NOT :is_searched
    """
)


@dataclass(frozen=True, slots=True)
class TraceRecord:
    """The trace of one answer.

    Args:
        answer_id: `chatcmpl-...`.
        created_at: Seconds since the epoch.
        collection: Name or id of the collection that was asked; None where it is not known.
        body: What JSON can hold.
        is_searched: Whether it holds what was found there: it is not stored when the collection is gone by then.
    """

    answer_id: str
    created_at: float
    collection: str | None
    body: Mapping[str, Any]
    is_searched: bool = True


class AnswerTable:
    """The traces of a catalog; those of a collection go with it."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def save(self, records: Sequence[TraceRecord]) -> None:
        """Store traces in one transaction; one of a collection that is gone meanwhile is left out."""
        rows = [
            {
                "id": record.answer_id,
                "collection": record.collection,
                "created_at": record.created_at,
                "body": zlib.compress(_json(record.body), _LEVEL),
                "is_searched": record.is_searched,
            }
            for record in records
        ]
        with self._db.write() as connection:
            connection.execute(_INSERT, rows)

    def get(self, answer_id: str) -> TraceRecord:
        """Return one trace.

        Raises:
            AnswerNotFoundError: If there is none, or it was not kept so long.
        """
        with self._db.read() as connection:
            row = connection.execute(_stored().where(answers.c.id == answer_id)).first()
        if row is None:
            raise _no_answer(answer_id)
        return _record(row)

    def list(self, limit: int, *, after: str | None = None) -> list[TraceRecord]:
        """Return traces, newest first.

        Args:
            limit: Most to return.
            after: Begin behind this one.

        Raises:
            AnswerNotFoundError: If there is none with the id `after`.
        """
        query = _stored().order_by(answers.c.created_at.desc(), answers.c.id.desc()).limit(limit)
        if after is not None:
            last = self.get(after)
            query = query.where(sa.tuple_(answers.c.created_at, answers.c.id) < (last.created_at, last.answer_id))
        with self._db.read() as connection:
            return [_record(row) for row in connection.execute(query)]

    def prune(self, *, max_age_s: float, max_count: int) -> int:
        """Delete what is too old, and the oldest of what is too much; returns how many went.

        Args:
            max_age_s: Longest time to keep one, in seconds.
            max_count: Most to keep.
        """
        newest = sa.select(answers.c.id).order_by(answers.c.created_at.desc(), answers.c.id.desc())
        surplus = answers.c.id.in_(newest.limit(-1).offset(max_count))
        old = answers.c.created_at <= time.time() - max_age_s
        with self._db.read() as connection:
            # To look first costs no write lock; mostly there is nothing to do.
            if not connection.execute(sa.select(answers.c.id).where(old | surplus).limit(1)).first():
                return 0
        with self._db.write() as connection:
            return connection.execute(answers.delete().where(old | surplus)).rowcount


def _stored() -> sa.Select[Any]:
    named = answers.outerjoin(collections, collections.c.id == answers.c.collection_id)
    return sa.select(answers.c.id, answers.c.created_at, collections.c.name, answers.c.body).select_from(named)


def _record(row: Any) -> TraceRecord:
    return TraceRecord(row[0], row[1], row[2], json.loads(zlib.decompress(row[3])))


def _json(body: Mapping[str, Any]) -> bytes:
    # A question from a command line may hold half of a surrogate pair, which has no UTF-8.
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _no_answer(answer_id: str) -> AnswerNotFoundError:
    shown = answer_id[:80]
    return AnswerNotFoundError(
        Message(f"There is no answer {shown!r}.", f"没有回答 {shown!r} 的记录。"),
        hint=Message(
            "Traces are kept as HUOZI_TRACE__DAYS and HUOZI_TRACE__MAX_ANSWERS say.",
            "记录按 HUOZI_TRACE__DAYS 和 HUOZI_TRACE__MAX_ANSWERS 保留。",
        ),
    )
