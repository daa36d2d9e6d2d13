"""Maps the database's errors for applications."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import ProgrammingError

from runtime.errors import DatabaseNotMigrated
from runtime.errors.program import PROGRAM
from runtime.storage.server.engine import database_errors

_NOT_THERE = frozenset({"3F000", "42P01", "42703"})
"""SQLSTATEs of a schema, a table and a column that do not exist."""


@contextmanager
def application_errors() -> Iterator[None]:
    """Map the errors of a server that is away, and of tables that are missing.

    Raises:
        DatabaseUnavailable, DatabaseNotMigrated
    """
    try:
        with database_errors():
            yield
    except ProgrammingError as error:
        if getattr(error.orig, "pgcode", None) not in _NOT_THERE:
            raise
        reason = str(error.orig).partition("\n")[0]
        raise DatabaseNotMigrated(
            f"the database is not set up for this version ({reason}): run `{PROGRAM} migrate`"
        ) from error
