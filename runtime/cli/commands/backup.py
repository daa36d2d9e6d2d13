"""The command backup writes the database to a file."""

from pathlib import Path
from typing import Annotated

import typer

from runtime.cli.context import command_settings
from runtime.cli.options import AsJson
from runtime.cli.output import print_json, print_line
from runtime.process.data_directory import ENCRYPTION_KEYS_FILE, TOKEN_SECRET_FILE, media_directory
from runtime.storage.server.backup import dump
from runtime.storage.server.engine import open_database


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the whole database to FILE; the service may run meanwhile."""
    target = file.expanduser().absolute()
    settings = command_settings()
    # The database is taken as it is: a backup before a migration must not migrate.
    database = open_database(settings)
    try:
        done = dump(database, settings, target, overwrite=force)
    finally:
        database.dispose()
    if as_json:
        print_json({"file": str(target), "bytes": done.size, "pg_restore": done.restore})
        return
    print_line(f"wrote {target} ({done.size:,} bytes)")
    print_line(
        f"to restore it: createdb NAME && {done.restore} --no-owner --dbname=NAME "
        f"{file}, then set RUNTIME_DATABASE_URL to that database"
    )
    print_line(
        f"not in it: the keys in {settings.data_dir}/{ENCRYPTION_KEYS_FILE} and "
        f"{TOKEN_SECRET_FILE}, and the images in {media_directory(settings)}; keep a copy of "
        "them elsewhere"
    )
