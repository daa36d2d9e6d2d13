"""Alembic runs this module: one transaction surrounds all missing migrations."""

from collections.abc import Callable
from contextlib import suppress

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, text

from runtime.errors import MarketplaceRuntimeError
from runtime.process.config import load_settings
from runtime.storage.models import SCHEMA
from runtime.storage.schema.migrator import LOCK_TIMEOUT, migration_lock
from runtime.storage.server.engine import open_database


def _print(line: str) -> None:
    with suppress(UnicodeEncodeError):
        print(line)


def _run(connection: Connection, report: Callable[[str], None]) -> None:
    done: list[str] = []
    context.config.attributes["done"] = done
    context.configure(connection=connection, version_table_schema=SCHEMA)
    with connection.begin():
        # A statement that waits for a table holds up all statements behind it.
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        # IF NOT EXISTS would need the privilege to create a schema even if the schema exists.
        if connection.scalar(text("SELECT to_regnamespace(:name)"), {"name": SCHEMA}) is None:
            connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        with context.begin_transaction():
            context.run_migrations()
    for line in done:
        report(line)


def _run_from_command_line() -> None:
    if context.is_offline_mode():
        raise CommandError(
            "these migrations look at what the database holds, so they cannot be written to a "
            "script: run them without --sql"
        )
    try:
        database = open_database(load_settings())
        try:
            with migration_lock(database, _print), database.engine.connect() as connection:
                _run(connection, _print)
        finally:
            database.dispose()
    except MarketplaceRuntimeError as error:
        raise CommandError(str(error)) from error


if "connection" in context.config.attributes:
    _run(context.config.attributes["connection"], context.config.attributes["report"])
else:
    _run_from_command_line()
