"""Nothing that the code relies on is inherited from the role, the database or the environment."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import URL, text

from runtime.storage.server.engine import Database
from tests.support.database.databases import Databases

HOSTILE = {
    "intervalstyle": "iso_8601",
    "datestyle": "German, DMY",
    "timezone": "Asia/Kathmandu",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "default_transaction_isolation": "serializable",
    "standard_conforming_strings": "off",
    "statement_timeout": "77s",
    "lock_timeout": "77s",
    "idle_session_timeout": "77s",
    "transaction_timeout": "77s",
    "idle_in_transaction_session_timeout": "77s",
    "synchronous_commit": "off",
    "array_nulls": "off",
    "transform_null_equals": "on",
}


@pytest.fixture
def hostile_url(databases: Databases) -> Iterator[URL]:
    """A database whose own settings are other than the usual ones."""
    url = databases.make()
    database = Database(url)
    with database.engine.begin() as connection:
        for name, value in HOSTILE.items():
            # A setting that is a list is quoted item by item.
            shown = value if name == "datestyle" else f"'{value}'"
            connection.execute(text(f"ALTER DATABASE {url.database} SET {name} = {shown}"))
    database.dispose()
    yield url
    databases.drop(url)


@pytest.fixture
def hostile(hostile_url: URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    database = Database(hostile_url)
    yield database
    database.dispose()


@pytest.mark.parametrize("style", ["postgres", "postgres_verbose", "sql_standard", "iso_8601"])
def test_an_interval_is_read_alike_whatever_its_style_is(
    hostile_url: URL, databases: Databases, style: str
) -> None:
    admin = Database(hostile_url)
    with admin.engine.begin() as connection:
        connection.execute(text(f"ALTER DATABASE {hostile_url.database} SET intervalstyle={style}"))
    admin.dispose()
    database = Database(hostile_url)
    long = timedelta(days=3, hours=2, milliseconds=5)
    with database.session() as session:
        assert session.scalar(text("SELECT CAST(:long AS interval)"), {"long": long}) == long
    database.dispose()


def test_every_transaction_reads_and_writes_values_as_usual(hostile: Database) -> None:
    moment = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
    values = {"when": moment, "words": "a \\ b \\n 'c' 🧦", "raw": b"\x00\\\xff", "none": [1, None]}
    query = text(
        "SELECT CAST(:when AS timestamptz), CAST(:words AS text), CAST(:raw AS bytea), "
        "CAST(:none AS integer[]), CAST('{NULL}' AS text[]), 0.1::float8 + 0.2::float8"
    )
    with hostile.session() as session:
        row = session.execute(query, values).one()
    assert tuple(row)[:2] == (moment, values["words"])
    assert bytes(row[2]) == values["raw"]
    assert tuple(row)[3:] == ([1, None], [None], 0.1 + 0.2)


def test_no_transaction_and_no_direct_connection_inherits_a_limit(hostile: Database) -> None:
    limits = ["statement_timeout", "lock_timeout", "idle_session_timeout"]
    with hostile.transaction("test") as session:
        shown = {name: session.scalar(text(f"SHOW {name}")) for name in HOSTILE}
    assert [shown[name] for name in limits] == ["0", "0", "0"]
    assert shown["synchronous_commit"] == "on"
    assert shown["idle_in_transaction_session_timeout"] != "77s"
    direct = hostile.direct_connection()
    try:
        with direct.cursor() as cursor:
            for name in limits:
                cursor.execute(f"SHOW {name}")
                assert cursor.fetchone() == ("0",)
            cursor.execute("SHOW transaction_isolation")
            assert cursor.fetchone() == ("read committed",)
        assert direct.encoding == "UTF8"
    finally:
        direct.close()


def test_transactions_are_read_committed_whatever_the_default_is(hostile: Database) -> None:
    for open_one in (hostile.session, lambda: hostile.transaction("test")):
        with open_one() as session:
            assert session.scalar(text("SHOW transaction_isolation")) == "read committed"
            assert session.scalar(text("SHOW timezone")) == "UTC"
