"""API keys: shown once, kept as digests."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass

import sqlalchemy as sa

from retrieval.catalog.database import Database
from retrieval.catalog.tables import api_keys
from retrieval.errors import Message, NotFoundError

PREFIX = "hz-"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret; times in seconds since the epoch."""

    key_id: str
    name: str
    created_at: float
    revoked_at: float | None = None


class KeyTable:
    """The API keys of a catalog."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def create(self, name: str) -> tuple[ApiKey, str]:
        """Create a key; returns it and its secret, which is not kept and cannot be shown again."""
        # 256 random bits need no slow hash: there is nothing to guess.
        secret = PREFIX + secrets.token_urlsafe(32)
        key = ApiKey(f"key_{secrets.token_hex(6)}", name, time.time())
        with self._db.write() as connection:
            connection.execute(
                api_keys.insert().values(id=key.key_id, name=name, digest=_digest(secret), created_at=key.created_at)
            )
        return key, secret

    def verify(self, secret: str) -> ApiKey | None:
        """Return the key that a secret belongs to, or None if it is unknown or revoked."""
        query = sa.select(api_keys).where(api_keys.c.digest == _digest(secret), api_keys.c.revoked_at.is_(None))
        with self._db.read() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else ApiKey(row["id"], row["name"], row["created_at"])

    def any(self) -> bool:
        """Whether a usable key exists."""
        return bool(self._db.fetch("SELECT 1 FROM api_keys WHERE revoked_at IS NULL LIMIT 1"))

    def list(self) -> list[ApiKey]:
        """Return every key, oldest first, revoked ones too."""
        with self._db.read() as connection:
            rows = connection.execute(sa.select(api_keys).order_by(api_keys.c.created_at)).mappings()
            return [ApiKey(r["id"], r["name"], r["created_at"], r["revoked_at"]) for r in rows]

    def revoke(self, key_id: str) -> None:
        """Make a key unusable at once.

        Raises:
            NotFoundError: If there is no such key.
        """
        with self._db.write() as connection:
            done = connection.execute(
                api_keys.update()
                .where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
                .values(revoked_at=time.time())
            )
        if not done.rowcount:
            raise NotFoundError(
                Message(f"There is no usable key {key_id!r}.", f"没有可用的密钥 {key_id!r}。"),
                hint=Message("See `huozi keys list`.", "请看 `huozi keys list`。"),
            )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
