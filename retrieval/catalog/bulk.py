"""Many rows in few statements.

Python's `sqlite3` gives Python's lock away for every row that it inserts, and waits up to 5 ms to have it back while
another thread computes: 10,000 rows took 40 s beside a busy thread, one by one, and 0.2 s in statements of many rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

MAX_PARAMETERS = 5_000
"""Values of one statement, where SQLite takes so many (32,766 unless it was built otherwise)."""

_preparer = sqlite.dialect().identifier_preparer


def insert_rows(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Sequence[Any]], *, or_ignore: bool = False
) -> None:
    """Insert rows into a table.

    Args:
        connection: In a transaction, which is the caller's.
        table: Where to.
        rows: Values in the order of the table's columns, as SQLite stores them: JSON columns as text.
        or_ignore: Leave out what breaks a unique constraint.
    """
    width = len(table.columns)
    size = max(1, min(MAX_PARAMETERS, _most_parameters(connection)) // width)
    columns = ", ".join(_preparer.quote(column.name) for column in table.columns)
    start = f"INSERT INTO {_preparer.quote(table.name)} ({columns}) VALUES "
    place = "(" + ", ".join("?" * width) + ")"
    end = " ON CONFLICT DO NOTHING" if or_ignore else ""
    for i in range(0, len(rows), size):
        batch = rows[i : i + size]
        values = tuple(value for row in batch for value in row)
        connection.exec_driver_sql(start + ", ".join([place] * len(batch)) + end, values)


def _most_parameters(connection: sa.Connection) -> int:
    import sqlite3

    driver: Any = connection.connection.driver_connection
    return int(driver.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER))
