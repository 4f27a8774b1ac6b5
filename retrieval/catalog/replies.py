"""What was answered to requests that named an Idempotency-Key, so that their repetition gets the same."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from retrieval.catalog.database import Database
from retrieval.catalog.tables import replies
from retrieval.errors import KeyReusedError, Message

KEPT_S = 24 * 3600.0
"""How long a reply is kept, in seconds; after that its key is free again."""


@dataclass(frozen=True, slots=True)
class KeptReply:
    """A reply as it was sent: HTTP status and JSON body."""

    status: int
    body: Mapping[str, Any]


class ReplyTable:
    """The kept replies of a catalog."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def find(self, key: str, fingerprint: str) -> KeptReply | None:
        """Return what was answered to the request, or None if the key is new.

        Args:
            key: The client's.
            fingerprint: sha256 hex of the request.

        Raises:
            KeyReusedError: If the key came with another request.
        """
        query = sa.select(replies).where(replies.c.key == key, replies.c.created_at > time.time() - KEPT_S)
        with self._db.read() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        if row["fingerprint"] != fingerprint:
            raise KeyReusedError(
                Message(
                    f"The Idempotency-Key {key[:40]!r} came with another request before.",
                    f"Idempotency-Key {key[:40]!r} 此前已用于另一个请求。",
                ),
                hint=Message("Give each request a key of its own.", "请为每个请求使用各自的键。"),
            )
        return KeptReply(row["status"], row["body"])

    def keep(self, key: str, fingerprint: str, reply: KeptReply) -> None:
        """Keep a reply, and forget those that are too old."""
        now = time.time()
        row = {"key": key, "fingerprint": fingerprint, "status": reply.status, "body": dict(reply.body)}
        with self._db.write() as connection:
            connection.execute(replies.delete().where(replies.c.created_at <= now - KEPT_S))
            connection.execute(insert(replies).values(row | {"created_at": now}).on_conflict_do_nothing())
