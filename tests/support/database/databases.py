"""Databases of a test's own, on servers of the run."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import psycopg2
from sqlalchemy import URL, make_url

from runtime.storage.server.embedded import EmbeddedServer

NOTHING = "template0"

MEMORY = Path("/dev/shm")
# Far more than a server of the run ever holds, times those who run tests at once.
MEMORY_BYTES = 4 * 1024**3


@contextmanager
def own_server() -> Iterator[EmbeddedServer]:
    """A PostgreSQL that is gone afterwards; in memory, where there is enough."""
    directory = directory_in_memory()
    try:
        server = EmbeddedServer.start(directory)
        try:
            yield server
        finally:
            server.release()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def directory_in_memory() -> Path:
    """A new directory for a cluster; on the disk where there is not enough memory.

    Making a database is making some hundred files, most of whose cost is the disk.
    """
    enough = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES
    return Path(tempfile.mkdtemp(prefix="mr-", dir=MEMORY if enough else None))


class Databases:
    """Makes databases on a server, each with another name."""

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server
        self._numbers = count(1)

    def make(self, template: str | None = None, encoding: str = "UTF8") -> URL:
        """A database, empty or like that one, which nobody may be connected to."""
        name = f"test_{next(self._numbers)}"
        # A copy of the files is half the work of a copy through the log.
        self._execute(
            f"CREATE DATABASE {name} TEMPLATE {template or NOTHING} STRATEGY file_copy "
            f"ENCODING '{encoding}'" + ("" if encoding == "UTF8" else " LOCALE 'C'")
        )
        return make_url(self._server.url).set(database=name)

    def drop(self, url: URL) -> None:
        """Drop one, whoever is connected to it."""
        self._execute(f"DROP DATABASE {url.database} WITH (FORCE)")

    def forget_the_disk(self) -> None:
        """Wait for the disk no more: nothing outlives the run, and only processes die in it."""
        self._execute("ALTER SYSTEM SET fsync = off")
        self._execute("SELECT pg_reload_conf()")

    def _execute(self, statement: str) -> None:
        url = make_url(self._server.url)
        arguments, parameters = url.get_dialect()().create_connect_args(url)
        with closing(psycopg2.connect(*arguments, **parameters)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
