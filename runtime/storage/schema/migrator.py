"""Brings the database to the revision that this version needs, and checks whether it is there."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg2.errors import DeadlockDetected, InsufficientPrivilege, LockNotAvailable
from psycopg2.extensions import connection as RawConnection  # noqa: N812 - it is a class
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from runtime.errors import ConfigurationError, DatabaseNotMigrated, DatabaseUnavailable
from runtime.errors.program import PROGRAM
from runtime.storage.models import SCHEMA
from runtime.storage.server.engine import Database, check_encoding, database_errors

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "20260109_1300"
"""This version needs this revision, which is the last in ``migrations/versions``."""

MIGRATION_LOCK = 0x6D72_6D69_6772
"""The key of the advisory lock that a migration holds ("mrmigr")."""

PATIENCE = timedelta(minutes=5)
"""The time to wait for another process that migrates."""

# A migration that waits for a table makes all later statements on that table wait, too. It gives
# up after a while, and the services go on.
LOCK_TIMEOUT = "15s"
"""The time for which a migration waits for a table; later statements queue behind it as long."""

_POLL_SECONDS = 0.2


def migrate(
    database: Database,
    report: Callable[[str], None],
    patience: timedelta = PATIENCE,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Run the migrations that are missing.

    Args:
        report: is called with a line for each change after its commit.
        patience: the time to wait for another process that migrates.
        pause: is called with seconds to wait between two looks, and ends the wait by raising.

    Raises:
        DatabaseNotMigrated: the database belongs to a later version.
        DatabaseConflict: it holds a foreign object in place of a table of ours.
        DatabaseUnavailable: it went away, or others block the migration for too long.
        ConfigurationError: it refuses, for example because our role lacks a privilege, or its
            encoding is not UTF-8.
    """
    # The look comes first without the lock, because nearly every start finds nothing to do.
    if _is_current(database):
        return
    with migration_lock(database, report, patience, pause):
        # The process that held the lock before may have migrated the database.
        if not _is_current(database):
            _upgrade(database, report)


@contextmanager
def migration_lock(
    database: Database,
    report: Callable[[str], None],
    patience: timedelta = PATIENCE,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Hold the lock of migrations during a block; wait while another process holds it.

    Raises:
        DatabaseUnavailable: the other process does not finish in time.
    """
    deadline = time.monotonic() + patience.total_seconds()
    said = False
    # A direct connection: behind a proxy that pools transactions, the lock would stay with a
    # session that other clients share. Closing the connection always gives the lock back.
    with database_errors(), closing(database.direct_connection()) as connection:
        while not _try_lock(connection):
            if not said:
                report("another process is migrating the database: waiting for it")
                said = True
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(
                    "another process has been migrating the database for more than "
                    f"{patience.total_seconds():g} s: see in pg_stat_activity what it waits for, "
                    "or end it, and try again"
                )
            pause(_POLL_SECONDS)
        yield


def _try_lock(connection: RawConnection) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", (MIGRATION_LOCK,))
        return cursor.fetchone() == (True,)


def check_migrated(database: Database) -> None:
    """Check that the database is at the revision that this version needs.

    Raises:
        DatabaseNotMigrated: it is at another revision, or has no tables.
        DatabaseUnavailable: it cannot be reached.
        ConfigurationError: its encoding is not UTF-8.
    """
    if not _is_current(database):
        raise DatabaseNotMigrated(
            f"the tables are not there, or are of an earlier version: run `{PROGRAM} migrate`"
        )


def _is_current(database: Database) -> bool:
    found = _revisions(database)
    unknown = found - {HEAD} and found - _known_revisions()
    if unknown:
        raise DatabaseNotMigrated(
            f"the database is at revision {', '.join(sorted(unknown))}, which this version does "
            "not know: a later marketplace-runtime migrated it; install that one or a later one"
        )
    return found == {HEAD}


def _revisions(database: Database) -> set[str]:
    with database_errors(), database.engine.connect() as connection:
        check_encoding(database, connection)
        table = f"{SCHEMA}.alembic_version"
        if connection.scalar(text("SELECT to_regclass(:table)"), {"table": table}) is None:
            return set()
        return set(connection.scalars(text(f"SELECT version_num FROM {table}")))


def _known_revisions() -> set[str]:
    # Alembic is imported late, here and below: the check that every command makes needs only HEAD.
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_configuration())
    return {script.revision for script in scripts.walk_revisions()}


def _upgrade(database: Database, report: Callable[[str], None]) -> None:
    from alembic import command

    configuration = _configuration()
    try:
        with database_errors(), database.engine.connect() as connection:
            configuration.attributes["connection"] = connection
            configuration.attributes["report"] = report
            command.upgrade(configuration, "head")
    except DBAPIError as error:
        raise _explained(error) from error


def _explained(error: DBAPIError) -> ConfigurationError:
    reason = str(error.orig).splitlines()[0]
    if isinstance(error.orig, LockNotAvailable | DeadlockDetected):
        return DatabaseUnavailable(
            f"the migration did not get a table for itself in time ({reason}): nothing was "
            "changed; try again when the other sessions have ended their transactions"
        )
    if isinstance(error.orig, InsufficientPrivilege):
        return ConfigurationError(
            f"the role of RUNTIME_DATABASE_URL may not migrate ({reason}): grant it that, or "
            f"run `{PROGRAM} migrate` as a role that may"
        )
    return ConfigurationError(
        f"the migration failed ({reason}): nothing was changed; put that right and run "
        f"`{PROGRAM} migrate` again"
    )


def _configuration() -> "Config":
    from alembic.config import Config

    # The directory lies beside the package `runtime`, in a checkout and in an installation. It is
    # not imported, because an application may have a package `migrations` of its own.
    directory = Path(__file__).resolve().parents[3] / "migrations"
    configuration = Config()
    # Alembic's configuration is a ConfigParser, in which a percent sign begins a reference.
    configuration.set_main_option("script_location", str(directory).replace("%", "%%"))
    return configuration
