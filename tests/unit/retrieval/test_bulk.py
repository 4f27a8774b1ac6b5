import hashlib
import sqlite3

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from retrieval.catalog import bulk
from retrieval.catalog.bulk import insert_rows

# A table and columns whose names are SQL's own words.
TABLE = sa.Table(
    "order",
    sa.MetaData(),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("end", sa.Integer),
    sa.Column("vector", sa.LargeBinary),
)


def row(number):
    text = f"第{number}行𠮷'\x00"
    return (text, None if number % 3 else number, hashlib.sha256(text.encode()).digest())


@pytest.fixture
def engine(tmp_path):
    made = sa.create_engine(f"sqlite:///{tmp_path / 'rows.db'}")
    TABLE.metadata.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
def statements(engine):
    """The number of values of each INSERT."""
    counts = []

    @sa.event.listens_for(engine, "before_cursor_execute")
    def count(_connection, _cursor, statement, parameters, _context, _many):
        if statement.startswith("INSERT"):
            counts.append(len(parameters))

    return counts


def stored(engine):
    with engine.connect() as connection:
        return {tuple(found) for found in connection.execute(sa.select(TABLE))}


@pytest.mark.parametrize("count", [0, 1, 3, 4, 11])
def test_rows_of_any_number_are_stored_as_they_are(engine, statements, monkeypatch, count):
    monkeypatch.setattr(bulk, "MAX_PARAMETERS", 10)
    rows = [row(number) for number in range(count)]
    with engine.begin() as connection:
        insert_rows(connection, TABLE, rows)
    assert stored(engine) == set(rows)
    assert statements == [9] * (count // 3) + [3 * (count % 3)] * bool(count % 3)


def test_no_statement_has_more_parameters_than_sqlite_takes(engine, statements):
    with engine.begin() as connection:
        connection.connection.driver_connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 7)
        insert_rows(connection, TABLE, [row(number) for number in range(5)])
    assert len(stored(engine)) == 5 and statements == [6, 6, 3]


def test_what_is_there_is_left_out_only_on_demand(engine):
    with engine.begin() as connection:
        insert_rows(connection, TABLE, [row(0)])
        insert_rows(connection, TABLE, [(row(0)[0], 99, b"other"), row(1)], or_ignore=True)
    assert stored(engine) == {row(0), row(1)}
    with pytest.raises(IntegrityError), engine.begin() as connection:
        insert_rows(connection, TABLE, [row(2), row(0)])
    assert stored(engine) == {row(0), row(1)}
