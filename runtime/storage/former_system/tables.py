"""Reading the tables of the former system, whatever shape exactly they have."""

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

# Python knows the years 1 to 9999 only, whatever the time zone; infinity is no time.
_SAYABLE = "{0} BETWEEN '0001-01-02' AND '9999-12-30'"
_SIZE = "octet_length(CAST({0} AS text))"
LARGEST_BYTES = 50_000_000
"""A text that is larger is not read at all; whitespace counts, so this is more than is kept."""
PAGE_BYTES = 30_000_000
"""After so many bytes of texts a page ends."""
_BEYOND = {
    "time": f"CASE WHEN isfinite({{0}}) AND NOT {_SAYABLE} THEN '{{0}} is ' || {{0}} END",
    "text": f"CASE WHEN {_SIZE} > {LARGEST_BYTES} THEN '{{0}} has ' || {_SIZE} || ' bytes' END",
}
_BEYOND["local time"] = _BEYOND["time"]
# Times without a zone are UTC.
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

# Whether the migrations renamed the ids in it, because it says what they refer to.
_FOLLOWS = text("""
    SELECT count(*) FROM pg_constraint AS c
    JOIN pg_class AS t ON t.oid = c.conrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
    WHERE n.nspname = :schema AND t.relname = :name AND a.attname = 'action_type_id'
        AND c.contype = 'f' AND c.confrelid = to_regclass('public.marketplace_action_types')
""")

Row = dict[str, Any]
"""One row of a former table: the columns that are known, others not; JSON as text."""


@dataclass(frozen=True, slots=True)
class FormerTable:
    """A table of the former system.

    Attributes:
        columns: those that are read, with what they hold.
        left_out: those that are not known, or hold something else than expected.
        follows: its ``action_type_id`` names rows of ``public.marketplace_action_types``; else
            it names what the former table of action types had.
    """

    schema: str
    name: str
    columns: dict[str, str]
    left_out: tuple[str, ...]
    follows: bool

    @property
    def missing(self) -> tuple[str, ...]:
        """Columns without which nothing in it can be read."""
        return tuple(one for one in NEEDED[self.name] if one not in self.columns)

    @property
    def place(self) -> str:
        """As people write it."""
        return f"{self.schema}.{self.name}"


def schemas(session: Session) -> Sequence[str]:
    """Return all schemas but PostgreSQL's and our own."""
    return session.scalars(_SCHEMAS, {"own": SCHEMA}).all()


def former_table(session: Session, schema: str, name: str) -> FormerTable | None:
    """Return the shape of the table, or None where there is none of that name."""
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
    """Return how many rows it has.

    Raises:
        InputError: it cannot be read; so for the other functions too.
    """
    return int(session.scalar(text(f"SELECT count(*) FROM {_quoted(table)}")) or 0)


@_readable()
def doubtful_ids(session: Session, table: FormerTable) -> dict[int | None, int]:
    """Ids that several rows have, and None where rows have no id; with how many rows."""
    query = (
        f"SELECT id, count(*) FROM {_quoted(table)} GROUP BY id HAVING count(*) > 1 OR id IS NULL"
    )
    return {row[0]: row[1] for row in session.execute(text(query))}


@_readable()
def read_page(session: Session, table: FormerTable, after: int | None, limit: int) -> list[Row]:
    """Return the rows behind that id, in the order of their ids; those without one are left out.

    Fewer than the limit, where they are large.
    """
    columns = table.columns.items()
    chosen = [f"{_READ[holds].format(name)} AS {name}" for name, holds in columns]
    beyond = [_BEYOND[holds].format(name) for name, holds in columns if holds in _BEYOND]
    chosen.append(
        f"nullif(concat_ws(', ', NULL, {', '.join(beyond or ['NULL'])}), '') AS \"{BEYOND}\""
    )
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
    # A colon in a schema's name is no parameter; of a percent sign SQLAlchemy takes care.
    return f'"{schema}".{table.name}'.replace(":", "\\:")
