"""Takes over the jobs and batches of the former system; a second import changes nothing.

The former tables are only read, so that an operator can go back to the former system.
"""

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from runtime.errors import InputError
from runtime.former_system.report import Report, RowProblem
from runtime.storage.former_system import imported_rows as storage
from runtime.storage.former_system import tables
from runtime.storage.former_system.tables import BATCHES, JOBS, FormerTable
from runtime.storage.server.engine import Database, database_errors
from runtime.takeover.former_schema import FormerSchema, ImportTerms
from runtime.values.arguments import LARGEST_ID

# One number only: a schema such as user_1_copy_2 could be of either seller.
_SELLERS = re.compile(r"[^0-9]*?([1-9][0-9]*)")

Found = tuple[str, FormerTable | None, FormerTable | None, int]
"""A schema, its tables of batches and of jobs if they can be read, and the number of rows."""


class FormerImport:
    """Makes one import."""

    def __init__(self, database: Database, terms: ImportTerms) -> None:
        self._database = database
        self._terms = terms
        self.report = Report()

    def tables(self, pattern: str) -> list[Found]:
        """Return the schemas of that pattern: their batches, jobs, and how many rows these have.

        Raises:
            InputError: no schema is called that way.
        """
        with database_errors(), self._database.session() as session:
            names = [one for one in tables.schemas(session) if fnmatchcase(one, pattern)]
            if not names:
                raise InputError(
                    f"no schema is called {pattern!r}: name those of the former system, for "
                    "example --schemas 'user_*'"
                )
            found = []
            for name in names:
                batches, jobs = (
                    self._usable(tables.former_table(session, name, table), name, table)
                    for table in (BATCHES, JOBS)
                )
                rows = 0
                try:
                    # A table that the role may not read ends a transaction; the savepoint keeps the
                    # others readable.
                    with session.begin_nested():
                        for one in (batches, jobs):
                            rows += tables.count_rows(session, one) if one else 0
                except InputError as error:
                    self._skip(name, None, None, str(error))
                    continue
                found.append((name, batches, jobs, rows))
        return found

    def run(self, pattern: str, begin: Callable[[int], None] = lambda _rows: None) -> Report:
        """Take everything over, in small transactions.

        Args:
            begin: is called with the number of rows.

        Raises:
            InputError, DatabaseUnavailable
        """
        # Two imports at once could both find a row that was not taken over yet.
        with storage.import_lock(self._database):
            tables = self.tables(pattern)
            sellers = self._sellers(tables)
            begin(sum(rows for name, *_, rows in tables if name in sellers))
            with self._database.transaction("former-import") as session:
                self.report.notes += self._terms.shops.check(session, sellers.values())
                self.report.notes += self._terms.shops.name_placeholders(session)
            for schema, batches, jobs, _ in tables:
                if schema not in sellers:
                    continue
                self.report.schemas.append(schema)
                of_one = FormerSchema(
                    self._database, self._terms, self.report, schema, sellers[schema]
                )
                of_one.take_over(batches, jobs)
        return self.report

    def _sellers(self, found: list[Found]) -> dict[str, int]:
        """Return the seller of each schema."""
        sellers: dict[str, int] = {}
        for name, batches, jobs, _ in found:
            user_id = _user_of(name)
            first = next((one for one, user in sellers.items() if user == user_id), None)
            if user_id is None:
                told = "its name is not that of a seller's schema, such as user_1"
                self._skip(name, None, None, told)
            elif first is not None:
                told = f"it is of user {user_id}, as {first} is: narrow --schemas to one of them"
                self._skip(name, None, None, told)
            elif batches is not None or jobs is not None:
                sellers[name] = user_id
        return sellers

    def _usable(self, table: FormerTable | None, schema: str, name: str) -> FormerTable | None:
        if table is None:
            self._skip(schema, name, None, "there is no such table")
        elif table.missing:
            lacking = ", ".join(table.missing)
            self._skip(schema, name, None, f"it has no column {lacking} that can be read")
            return None
        elif table.left_out:
            columns = ", ".join(table.left_out)
            self.report.notes.append(f"{table.qualified_name}: columns that stay behind: {columns}")
        return table

    def _skip(self, schema: str, table: str | None, former_id: Any, reason: str) -> None:
        self.report.skipped.append(RowProblem(schema, table, former_id, reason))


def _user_of(schema: str) -> int | None:
    match = _SELLERS.fullmatch(schema)
    user_id = int(match[1]) if match else 0
    return user_id if 0 < user_id <= LARGEST_ID else None
