"""Notifications as somebody else hears them."""

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class

from runtime.storage.server.engine import Database

DEADLINE_SECONDS = 20.0


@contextmanager
def listening(database: Database, channel: str) -> Iterator[Connection]:
    """A connection that listens from now on."""
    connection = database.direct_connection()
    try:
        with connection.cursor() as cursor:
            cursor.execute(f'LISTEN "{channel}"')
        yield connection
    finally:
        connection.close()


def received(connection: Connection) -> str:
    """The payload of the next notification."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not connection.notifies:
        left = deadline - time.monotonic()
        assert left > 0, "no notification came"
        select.select([connection], [], [], left)
        connection.poll()
    return str(connection.notifies.pop(0).payload)
