"""The command migrate brings the database up to date."""

from runtime.cli.context import command_settings
from runtime.cli.options import AsJson
from runtime.cli.output import print_json, print_line
from runtime.storage.schema import migrator
from runtime.storage.server.engine import open_database


def migrate(as_json: AsJson = False) -> None:
    """Create the tables, or bring them up to date; `serve` does so, too."""
    # Not opened_database, which refuses a database that is not migrated.
    database = open_database(command_settings())
    done: list[str] = []
    try:
        migrator.migrate(database, done.append if as_json else lambda line: _say(done, line))
    finally:
        database.dispose()
    if as_json:
        print_json({"done": done})
    elif not done:
        print_line("the database is up to date")


def _say(done: list[str], line: str) -> None:
    done.append(line)
    print_line(line)
