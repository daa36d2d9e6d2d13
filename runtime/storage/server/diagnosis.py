"""Checks of the database that an operator makes before relying on it."""

import secrets
import select
import time
from datetime import UTC, datetime, timedelta

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class
from sqlalchemy import text

from runtime.errors import ConfigurationError, DatabaseUnavailable
from runtime.storage.server.engine import Database, database_errors

_CHANNEL = "marketplace_runtime_doctor"
_PATIENCE_SECONDS = 3.0

_WAY_OUT = (
    "set RUNTIME_DATABASE_DIRECT_URL to the server itself: this looks like a proxy that pools "
    "transactions"
)


def server_version(database: Database) -> str:
    """Return the server's version, such as ``18.4``.

    Raises:
        DatabaseUnavailable: the server cannot be reached.
    """
    with database_errors(), database.engine.connect() as connection:
        version: str = connection.execute(text("SHOW server_version")).scalar_one()
    return version.partition(" ")[0]


def clock_difference(database: Database) -> timedelta:
    """Return how far the server's clock is ahead of this machine's.

    Raises:
        DatabaseUnavailable: the server cannot be reached.
    """
    with database_errors(), database.engine.connect() as connection:
        # The first statement opens the transaction, so that its time does not count below.
        connection.execute(text("SELECT 1"))
        before = datetime.now(UTC)
        there: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        after = datetime.now(UTC)
    # The question and the answer are taken to travel for the same time.
    return there - (before + (after - before) / 2)


def check_sessions(database: Database) -> None:
    """Check that a direct connection keeps its session, which session locks and LISTEN need.

    Raises:
        ConfigurationError: it does not, for example because of a transaction-pooling proxy.
        DatabaseUnavailable: the server cannot be reached.
    """
    one = database.direct_connection()
    try:
        other = database.direct_connection()
        try:
            _check_lock(one, other)
            _check_listen(one, other)
        finally:
            other.close()
    except psycopg2.Error as error:
        reason = str(error).strip().partition("\n")[0]
        raise DatabaseUnavailable(f"the direct connection failed: {reason}") from error
    finally:
        one.close()


def _check_lock(one: Connection, other: Connection) -> None:
    # Two connections that a proxy maps to one session of the server share its locks. The number is
    # drawn anew, and nobody waits for it: an earlier check's lock may still be held by a proxy.
    number = secrets.randbits(62)
    with one.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", (number,))
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", (number,))
        if cursor.fetchone() != (False,):
            raise ConfigurationError(f"a session lock is not kept; {_WAY_OUT}")


def _check_listen(one: Connection, other: Connection) -> None:
    with one.cursor() as cursor:
        cursor.execute(f'LISTEN "{_CHANNEL}"')
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", (_CHANNEL,))
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not one.notifies:
        left = deadline - time.monotonic()
        if left <= 0:
            raise ConfigurationError(f"a notification does not arrive; {_WAY_OUT}")
        poll = select.poll()
        poll.register(one, select.POLLIN)
        poll.poll(left * 1000)
        one.poll()
