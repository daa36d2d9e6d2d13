"""Databases of a test's own, on a server of the run."""

from contextlib import closing
from itertools import count

import psycopg2
from sqlalchemy import URL, make_url

from runtime.storage.embedded import EmbeddedServer

NOTHING = "template0"


class Databases:
    """Makes databases on a server, each with another name."""

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server
        self._numbers = count(1)

    def make(self, template: str | None = None) -> URL:
        """A database, empty or like that one, which nobody may be connected to."""
        name = f"test_{next(self._numbers)}"
        # A copy of the files is half the work of a copy through the log.
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template or NOTHING} STRATEGY file_copy")
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
