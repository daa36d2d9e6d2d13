"""Reads the tables of the former system, whose exact shapes differ."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DataError, InternalError, NotSupportedError, ProgrammingError
from sqlalchemy.orm import Session

from runtime.errors import InputError
from runtime.former_system.row_reader import BEYOND
from runtime.storage.models import SCHEMA

JOBS = "marketplace_jobs"
BATCHES = "batch_jobs"

# Python knows only the years 1 to 9999, in any time zone, and no infinite time.
_SAYABLE = "{0} BETWEEN '0001-01-02' AND '9999-12-30'"
_SIZE = "octet_length(CAST({0} AS text))"
LARGEST_BYTES = 50_000_000
"""Larger texts are not read at all. Whitespace counts, so the limit exceeds that for storing."""
PAGE_BYTES = 30_000_000
"""A page ends after so many bytes of texts, so that memory stays bounded."""
_BEYOND = {
    "time": f"CASE WHEN isfinite({{0}}) AND NOT {_SAYABLE} THEN '{{0}} is ' || {{0}} END",
    "text": f"CASE WHEN {_SIZE} > {LARGEST_BYTES} THEN '{{0}} has ' || {_SIZE} || ' bytes' END",
}
_BEYOND["local time"] = _BEYOND["time"]
# Times without a zone count as UTC.
_READ = {
    "number": "{0}",
    "time": f"CASE WHEN {_SAYABLE} THEN {{0}} END",
    "local time": f"CASE WHEN {_SAYABLE} THEN {{0}} AT TIME ZONE 'UTC' END",
    "flag": "{0}",
    "text": f"CASE WHEN {_SIZE} <= {LARGEST_BYTES} THEN CAST({{0}} AS text) END",
}
_KINDS = {
    "smallint": "number",
    "integer": "number",
    "bigint": "number",
    "timestamp with time zone": "time",
    "timestamp without time zone": "local time",
    "boolean": "flag",
}

NEEDED = {JOBS: ("id", "action_type_id", "status"), BATCHES: ("id",)}
_NUMBERS = (
    "id",
    "action_type_id",
    "shop_id",
    "product_id",
    "batch_job_id",
    "priority",
    "retry_count",
    "max_retries",
    "created_by_user_id",
    "total_count",
    "completed_count",
    "failed_count",
    "cancelled_count",
)
_TIMES = ("created_at", "started_at", "completed_at", "expires_at", "run_at")
_WANTED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_NUMBERS, ("number",)),
    **dict.fromkeys(_TIMES, ("time", "local time")),
    **dict.fromkeys(
        ("marketplace", "action_code", "status", "error_message", "idempotency_key"), ("text",)
    ),
    **dict.fromkeys(("input_data", "result_data"), ("text",)),
    "cancel_requested": ("flag",),
}
_OF_JOBS = frozenset(_WANTED) - {
    "action_code",
    "created_by_user_id",
    "total_count",
    "completed_count",
    "failed_count",
    "cancelled_count",
}
_OF_BATCHES = frozenset(
    {
        *("id", "marketplace", "action_type_id", "action_code", "status", "priority"),
        *("created_by_user_id", "created_at", "completed_at"),
        *("total_count", "completed_count", "failed_count", "cancelled_count"),
    }
)
_KNOWN = {JOBS: _OF_JOBS, BATCHES: _OF_BATCHES}

_SCHEMAS = text("""
    SELECT nspname FROM pg_namespace
    WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('information_schema', :own)
    ORDER BY nspname
""")

_COLUMNS = text("""
    SELECT a.attname, format_type(a.atttypid, NULL) FROM pg_attribute AS a
    JOIN pg_class AS t ON t.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace
    WHERE n.nspname = :schema AND t.relname = :name AND t.relkind IN ('r', 'p')
        AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
""")

# A table with a foreign key followed the migrations, so that its ids are those of today.
_FOLLOWS = text("""
    SELECT count(*) FROM pg_constraint AS c
    JOIN pg_class AS t ON t.oid = c.conrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
    WHERE n.nspname = :schema AND t.relname = :name AND a.attname = 'action_type_id'
        AND c.contype = 'f' AND c.confrelid = to_regclass('public.marketplace_action_types')
""")

Row = dict[str, Any]
"""The known columns of one row of a former table; JSON stands in them as text."""


@dataclass(frozen=True, slots=True)
class FormerTable:
    """A table of the former system.

    Attributes:
        columns: the columns that are read, each with the kind of its values.
        left_out: the columns that are not known, or hold values of another kind.
        follows: whether its ``action_type_id`` names rows of
            ``public.marketplace_action_types``, and not of the former table of action types.
    """

    schema: str
    name: str
    columns: dict[str, str]
    left_out: tuple[str, ...]
    follows: bool

    @property
    def missing(self) -> tuple[str, ...]:
        """The missing columns without which no row can be read."""
        return tuple(one for one in NEEDED[self.name] if one not in self.columns)

    @property
    def qualified_name(self) -> str:
        """The name of the table with its schema, as people write it."""
        return f"{self.schema}.{self.name}"


def schemas(session: Session) -> Sequence[str]:
    """Return all schemas but PostgreSQL's and our own."""
    return session.scalars(_SCHEMAS, {"own": SCHEMA}).all()


def former_table(session: Session, schema: str, name: str) -> FormerTable | None:
    """Return the shape of the table, or None if there is none of that name."""
    where = {"schema": schema, "name": name}
    found = session.execute(_COLUMNS, where).all()
    if not found:
        return None
    columns: dict[str, str] = {}
    left_out: list[str] = []
    for column, kind in found:
        holds = _KINDS.get(kind, "text")
        if column in _KNOWN[name] and holds in _WANTED[column]:
            columns[column] = holds
        else:
            left_out.append(column)
    follows = bool(session.scalar(_FOLLOWS, where))
    return FormerTable(schema, name, columns, tuple(left_out), follows)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (ProgrammingError, InternalError, NotSupportedError, DataError) as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise InputError(
            f"it cannot be read ({reason}): put that right, and import again"
        ) from None


@_readable()
def count_rows(session: Session, table: FormerTable) -> int:
    """Return the number of rows of the table.

    Raises:
        InputError: the table cannot be read; the other functions raise this, too.
    """
    return int(session.scalar(text(f"SELECT count(*) FROM {_quoted(table)}")) or 0)


@_readable()
def doubtful_ids(session: Session, table: FormerTable) -> dict[int | None, int]:
    """Return the ids that several rows share, with the numbers of rows; None is a missing id."""
    query = (
        f"SELECT id, count(*) FROM {_quoted(table)} GROUP BY id HAVING count(*) > 1 OR id IS NULL"
    )
    return {row[0]: row[1] for row in session.execute(text(query))}


@_readable()
def read_page(session: Session, table: FormerTable, after: int | None, limit: int) -> list[Row]:
    """Return the rows after that id in the order of ids; rows without an id are omitted.

    A page of large rows holds fewer than ``limit`` rows.
    """
    columns = table.columns.items()
    chosen = [f"{_READ[holds].format(name)} AS {name}" for name, holds in columns]
    beyond = [_BEYOND[holds].format(name) for name, holds in columns if holds in _BEYOND]
    chosen.append(
        f"nullif(concat_ws(', ', NULL, {', '.join(beyond or ['NULL'])}), '') AS \"{BEYOND}\""
    )
    # The first row of a page comes however large it is, or the import would not get past it.
    sizes = [f"coalesce({_SIZE.format(name)}, 0)" for name, holds in columns if holds == "text"]
    query = f"""
        SELECT {", ".join(chosen)} FROM (
            SELECT *, sum({" + ".join([*sizes, "0"])}) OVER earlier AS bytes_before FROM (
                SELECT {", ".join(table.columns)} FROM {_quoted(table)}
                WHERE {"id IS NOT NULL" if after is None else "id > :after"}
                ORDER BY id LIMIT :limit
            ) AS page
            WINDOW earlier AS (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        ) AS weighed
        WHERE coalesce(bytes_before, 0) < :most ORDER BY id
    """
    rows = session.execute(text(query), {"after": after, "limit": limit, "most": PAGE_BYTES})
    return [dict(row) for row in rows.mappings()]


def _quoted(table: FormerTable) -> str:
    schema = table.schema.replace('"', '""')
    # A colon in a schema's name would be a parameter; SQLAlchemy escapes percent signs itself.
    return f'"{schema}".{table.name}'.replace(":", "\\:")
