"""The SQLite file: connections, transactions, migrations."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, OperationalError

from retrieval.errors import CatalogError, CatalogVersionError, DataFolderError, Message

HEAD = "0006"
"""The newest revision in `migrations/versions`; a test compares it with Alembic's own answer."""

MIGRATIONS = Path(__file__).with_name("migrations")
BUSY_TIMEOUT_S = 10.0
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "temp_store = MEMORY",
    # A batch of an ingestion is some 2,500 pages in three transactions: at the default of 1,000 pages each would end
    # with a checkpoint, which waits for the disk. See `checkpoint`.
    "wal_autocheckpoint = 4000",
)
_IS_WRITING = "huozi_is_writing"
as_json = json.JSONEncoder(ensure_ascii=False).encode
"""How JSON columns are stored."""


class Database:
    """One SQLite file in WAL mode, written by one thread at a time.

    Args:
        path: The file; it is created, and brought to the newest revision, when missing or older.

    Raises:
        CatalogVersionError: If a newer program wrote it.
        DataFolderError: If it cannot be created or written.
        CatalogError: If it is not a catalog.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._write_lock = threading.RLock()
        self._engine = sa.create_engine(
            f"sqlite:///{path}",
            connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
            json_serializer=as_json,
            pool_size=8,
            max_overflow=32,
        )
        sa.event.listen(self._engine, "connect", _prepare_connection)
        sa.event.listen(self._engine, "begin", _begin)
        with _translated(path):
            self._migrate()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Give a connection with a stable view of the last commit."""
        with _translated(self.path), self._engine.connect() as connection:
            yield connection

    def fetch(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        """Return all rows of one SELECT, without SQLAlchemy's share of the time: for what every search asks.

        Args:
            query: SQL with `?` or `:name` for parameters; one statement is a stable view by itself.
            parameters: Their values.
        """
        with _translated(self.path):
            connection = self._engine.raw_connection()
            try:
                return connection.cursor().execute(query, parameters).fetchall()  # type: ignore[no-any-return]
            finally:
                connection.close()

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Give a connection whose changes are committed together when the block ends, or not at all."""
        with self._write_lock, _translated(self.path), self._engine.connect() as connection:
            connection.execution_options(**{_IS_WRITING: True})
            with connection.begin():
                yield connection

    @contextmanager
    def standstill(self) -> Iterator[None]:
        """Hold up every other thread that would write, while a block runs."""
        with self._write_lock:
            yield

    def checkpoint(self) -> None:
        """Bring what is committed from the log into the file, so that no commit has to: 0.1 s for each 4,000 pages."""
        # What cannot be copied now stays in the log, where it is as safe; a commit that fails says so itself.
        with suppress(CatalogError):
            self.fetch("PRAGMA wal_checkpoint(PASSIVE)")

    def check(self) -> None:
        """Raise CatalogError if the file cannot be read or fails SQLite's own quick check."""
        with self.read() as connection:
            verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if verdict != "ok":
            raise _damaged(self.path, str(verdict))

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _migrate(self) -> None:
        found = self._revision()
        if found == HEAD:
            return
        if found is not None and found > HEAD:
            raise CatalogVersionError(
                Message(
                    f"Catalog {str(self.path)!r} has revision {found!r} of a newer version; this one knows {HEAD!r}.",
                    f"目录库 {str(self.path)!r} 的版本 {found!r} 由更新的程序写成，本程序只认识 {HEAD!r}。",
                ),
                hint=Message(
                    "Upgrade huozi-assistant, or use another HUOZI_DATA_DIR.",
                    "请升级 huozi-assistant，或换一个 HUOZI_DATA_DIR。",
                ),
            )
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        with self._engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, HEAD)
            connection.commit()

    def _revision(self) -> str | None:
        with self._engine.connect() as connection:
            known = connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").scalar()
            if not known:
                return None
            return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _begin(connection: sa.Connection) -> None:
    # One that has read already would not wait for another program's lock: SQLite refuses it at once.
    is_writing = connection.get_execution_options().get(_IS_WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")


def _prepare_connection(connection: sqlite3.Connection, _record: Any) -> None:
    # SQLAlchemy starts transactions itself (the "begin" event), so that reads too see one snapshot.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as exc:
        raise _unusable(path, str(exc)) from exc
    except sqlite3.DatabaseError as exc:
        raise _damaged(path, str(exc)) from exc
    except OperationalError as exc:
        raise _unusable(path, str(exc.orig)) from exc
    except DatabaseError as exc:
        if isinstance(exc.orig, sqlite3.IntegrityError):
            raise
        raise _damaged(path, str(exc.orig)) from exc


def _unusable(path: Path, reason: str) -> CatalogError:
    if "locked" in reason:
        return CatalogError(
            Message(f"Catalog {str(path)!r} is locked by another program.", f"目录库 {str(path)!r} 被其他程序锁住。"),
            hint=Message("Close the program that has it open and try again.", "请关闭占用它的程序后重试。"),
        )
    return DataFolderError(
        Message(f"Cannot write catalog {str(path)!r}: {reason}.", f"无法写入目录库 {str(path)!r}：{reason}。"),
        hint=Message(
            "Check free space and permissions of the data folder; nothing that was stored is lost.",
            "请检查数据目录的剩余空间和权限；已存入的内容没有丢失。",
        ),
    )


def _damaged(path: Path, reason: str) -> CatalogError:
    return CatalogError(
        Message(f"Catalog {str(path)!r} is damaged: {reason}.", f"目录库 {str(path)!r} 已损坏：{reason}。"),
        hint=Message(
            "Restore it from a backup, or ingest into a new HUOZI_DATA_DIR.",
            "请从备份恢复，或在新的 HUOZI_DATA_DIR 中重新导入。",
        ),
    )
