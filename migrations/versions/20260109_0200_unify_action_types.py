"""Unify the action types in public.marketplace_action_types.

The rows of ``vinted.action_types`` move there, with their ids if these are free. References go on
meaning the same action: foreign keys follow the rows, and a table remembers the former ids for
columns without a foreign key.

Revision ID: 20260109_0200
Revises: None
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import context, op
from psycopg2.errors import DependentObjectsStillExist
from sqlalchemy.exc import DBAPIError

from runtime.errors import DatabaseConflict
from runtime.storage.schema import legacy_action_types
from runtime.storage.schema.foreign_keys import repoint

revision = "20260109_0200"
down_revision = None

TABLE = "public.marketplace_action_types"
LEGACY = "vinted.action_types"

VINTED = """
    ('message', 'Respond to message', 'Reply to Vinted buyer messages', 1, false, 1000, 3, 30),
    ('orders', 'Fetch orders', 'Retrieve new orders/sales from Vinted', 3, true, 1500, 3, 60),
    ('publish', 'Publish product', 'Create a new listing on Vinted', 3, false, 2500, 3, 120),
    ('update', 'Update product', 'Modify price, description, photos', 3, false, 2000, 3, 60),
    ('delete', 'Delete product', 'Remove listing from Vinted', 4, false, 2000, 3, 30),
    ('sync', 'Sync products', 'Synchronize all products with Vinted', 4, true, 1500, 3, 300),
    ('link_product', 'Link Product', 'Link VintedProduct to Product and download images',
     3, false, 500, 3, 120)
"""

# The former system kept this action of eBay among those of Vinted.
MISPLACED = {"sync_orders_ebay": ("ebay", "sync_orders")}

DEFAULTS = {
    "name": "code",
    "description": "NULL",
    "priority": "3",
    "is_batch": "false",
    "rate_limit_ms": "2000",
    "max_retries": "3",
    "timeout_seconds": "60",
    "created_at": "now()",
}

INTEGER = frozenset({"smallint", "integer", "bigint"})
TEXT = frozenset({"text", "character varying"})
TYPES: Mapping[str, frozenset[str]] = {
    "id": frozenset({"integer", "bigint"}),
    **dict.fromkeys(("marketplace", "code", "name", "description"), TEXT),
    **dict.fromkeys(("priority", "rate_limit_ms", "max_retries", "timeout_seconds"), INTEGER),
    "is_batch": frozenset({"boolean"}),
    "created_at": frozenset({"timestamp with time zone", "timestamp without time zone"}),
}


def upgrade() -> None:
    """Create the table, or adopt an existing one, and move the legacy rows into it."""
    connection = op.get_bind()
    legacy_action_types.prepare_memory(connection)
    if _kind(connection, TABLE):
        _refuse_unless_ours(connection)
        _say(f"✓ Adopted {TABLE}, which was there")
        _put_right(connection)
    else:
        _create(connection, TABLE, key="marketplace, code")
        _say(f"✓ Created {TABLE}")
    if _kind(connection, LEGACY) in ("r", "p"):
        _carry_over(connection)
    inserted = _insert_missing(connection)
    if inserted:
        _say(f"✓ Inserted {inserted} Vinted action types")


def downgrade() -> None:
    """Create vinted.action_types again, with its former ids and codes."""
    connection = op.get_bind()
    places = legacy_action_types.former_ids(connection)
    _refuse_to_lose(connection, list(places))
    if connection.scalar(sa.text("SELECT to_regnamespace('vinted')")) is None:
        connection.execute(sa.text("CREATE SCHEMA vinted"))
    _create(connection, LEGACY, key="code")
    columns = ", ".join(DEFAULTS)
    values = ", ".join(f"COALESCE({column}, {default})" for column, default in DEFAULTS.items())
    # A missing value becomes the default, because the columns of the legacy table are NOT NULL.
    for new_id, (code, old_id) in places.items():
        connection.execute(
            sa.text(
                f"INSERT INTO {LEGACY} (id, code, {columns}) "
                f"SELECT :old_id, :code, {values} FROM {TABLE} WHERE id = :new_id"
            ),
            {"old_id": old_id, "code": code, "new_id": new_id},
        )
    _advance_sequence(connection, LEGACY)
    moved = {new_id: old_id for new_id, (_, old_id) in places.items() if new_id != old_id}
    _follow(connection, TABLE, LEGACY, moved)
    _say(f"✓ Migrated {TABLE} → {LEGACY}")
    _drop(connection, TABLE)
    legacy_action_types.forget(connection)


def _refuse_to_lose(connection: sa.Connection, ids: list[int]) -> None:
    if _kind(connection, LEGACY):
        raise DatabaseConflict(
            f"{LEGACY} exists already, so {TABLE} cannot be turned back into it: "
            f"rename or drop {LEGACY} first"
        )
    foreign = connection.scalars(
        sa.text(f"SELECT DISTINCT marketplace FROM {TABLE} WHERE id <> ALL (:ids)"), {"ids": ids}
    ).all()
    if foreign:
        raise DatabaseConflict(
            f"{TABLE} holds action types of {', '.join(sorted(foreign))}, for which {LEGACY} has "
            "no room: delete those rows first"
        )


def _say(line: str) -> None:
    context.config.attributes["done"].append(line)


def _kind(connection: sa.Connection, name: str) -> str | None:
    """Return the kind of the relation of that name: ``r`` and ``p`` are tables."""
    found: str | None = connection.scalar(
        sa.text("SELECT relkind::text FROM pg_class WHERE oid = to_regclass(:name)"),
        {"name": name},
    )
    return found


def _create(connection: sa.Connection, name: str, *, key: str) -> None:
    table = name.partition(".")[2]
    marketplace = "marketplace varchar(50) NOT NULL," if "marketplace" in key else ""
    connection.execute(
        sa.text(f"""
            CREATE TABLE {name} (
                id serial CONSTRAINT pk_{table} PRIMARY KEY,
                {marketplace}
                code varchar(50) NOT NULL,
                name varchar(100) NOT NULL,
                description text,
                priority integer NOT NULL DEFAULT 3,
                is_batch boolean NOT NULL DEFAULT false,
                rate_limit_ms integer NOT NULL DEFAULT 2000,
                max_retries integer NOT NULL DEFAULT 3,
                timeout_seconds integer NOT NULL DEFAULT 60,
                created_at timestamptz NOT NULL DEFAULT now(),
                CONSTRAINT uq_{table}_{key.replace(", ", "_")} UNIQUE ({key})
            )""")
    )


def _put_right(connection: sa.Connection) -> None:
    """Move rows from a wrong marketplace to the right one."""
    for misplaced, (marketplace, code) in MISPLACED.items():
        ids = {
            (row.marketplace, row.code): row.id
            for row in connection.execute(sa.text(f"SELECT id, marketplace, code FROM {TABLE}"))
        }
        wrong, right = ids.get(("vinted", misplaced)), ids.get((marketplace, code))
        if wrong is None:
            continue
        legacy_action_types.remember(connection, [(wrong, misplaced, marketplace, code)])
        if right is None:
            change = f"UPDATE {TABLE} SET marketplace = :marketplace, code = :code WHERE id = :id"
            values = {"marketplace": marketplace, "code": code, "id": wrong}
            connection.execute(sa.text(change), values)
        else:
            _follow(connection, TABLE, TABLE, {wrong: right})
            connection.execute(sa.text(f"DELETE FROM {TABLE} WHERE id = :id"), {"id": wrong})
        _say(f"✓ Put {misplaced} right: it is {code} on {marketplace}")


def _carry_over(connection: sa.Connection) -> None:
    # A row that somebody adds or edits meanwhile would be lost with the table.
    connection.execute(sa.text(f"LOCK TABLE {LEGACY}, {TABLE} IN ACCESS EXCLUSIVE MODE"))
    present = set(_columns(connection, LEGACY))
    _refuse_unless_known(present)
    old_ids = connection.execute(sa.text(f"SELECT id, code FROM {LEGACY} ORDER BY id")).all()
    taken = {
        (row.marketplace, row.code): row.id
        for row in connection.execute(sa.text(f"SELECT id, marketplace, code FROM {TABLE}"))
    }
    sequence = _sequence(connection, TABLE)
    # No new id may be one that a row below wants to keep.
    _advance_sequence(connection, TABLE, beyond=max((old_id for old_id, _ in old_ids), default=0))
    values = ", ".join(
        f"COALESCE({column}, {default})" if column in present else default
        for column, default in DEFAULTS.items()
    )
    moved: dict[int, int] = {}
    carried = []
    for old_id, old_code in old_ids:
        marketplace, code = MISPLACED.get(old_code, ("vinted", old_code))
        if (marketplace, code) in taken:
            new_id = taken[marketplace, code]
        else:
            new_id = old_id
            if old_id in taken.values():
                new_id = connection.execute(sa.text(f"SELECT nextval('{sequence}')")).scalar_one()
            taken[marketplace, code] = new_id
            connection.execute(
                sa.text(
                    f"INSERT INTO {TABLE} (id, marketplace, code, {', '.join(DEFAULTS)}) "
                    # The id of an adopted table may be an identity column, which takes a given
                    # value only so.
                    "OVERRIDING SYSTEM VALUE "
                    f"SELECT :new_id, :marketplace, :code, {values} "
                    f"FROM {LEGACY} WHERE id = :old_id"
                ),
                {"new_id": new_id, "old_id": old_id, "marketplace": marketplace, "code": code},
            )
        carried.append((old_id, old_code, marketplace, code))
        if new_id != old_id:
            moved[old_id] = new_id
    legacy_action_types.remember(connection, carried)
    _follow(connection, LEGACY, TABLE, moved)
    _say(f"✓ Migrated {LEGACY} → {TABLE}")
    _drop(connection, LEGACY)


def _insert_missing(connection: sa.Connection) -> int:
    _advance_sequence(connection, TABLE)
    # Rows that exist are left alone, because an operator may have changed them.
    columns = ", ".join(("code", *(name for name in DEFAULTS if name != "created_at")))
    return connection.execute(
        sa.text(
            f"INSERT INTO {TABLE} (marketplace, {columns}, created_at) "
            f"SELECT 'vinted', {columns}, now() FROM (VALUES {VINTED}) AS wanted ({columns}) "
            f"WHERE NOT EXISTS (SELECT FROM {TABLE} AS found "
            "WHERE found.marketplace = 'vinted' AND found.code = wanted.code)"
        )
    ).rowcount


def _follow(connection: sa.Connection, source: str, target: str, moved: Mapping[int, int]) -> None:
    for told in repoint(connection, source, target, moved):
        _say(told)


def _drop(connection: sa.Connection, name: str) -> None:
    # Not CASCADE: what depends on the table, such as a view of an application, must not vanish
    # unasked.
    try:
        connection.execute(sa.text(f"DROP TABLE {name}"))
    except DBAPIError as error:
        if not isinstance(error.orig, DependentObjectsStillExist):
            raise
        detail = (error.orig.diag.message_detail or "something depends on it").splitlines()[0]
        raise DatabaseConflict(
            f"{name} cannot be dropped: {detail}; drop that first (nothing was changed)"
        ) from error
    _say(f"✓ Dropped {name}")


def _advance_sequence(connection: sa.Connection, name: str, beyond: int = 0) -> None:
    """Let the next id be greater than all existing ids, and greater than ``beyond``."""
    # A sequence that was never used gives its present value next, so that ``is_called`` stays false
    # unless that value is taken.
    sequence = _sequence(connection, name)
    connection.execute(
        sa.text(
            f"SELECT setval('{sequence}', GREATEST(s.last_value, used.id), "
            "s.is_called OR used.id >= s.last_value) "
            f"FROM {sequence} AS s, "
            f"(SELECT GREATEST(:beyond, max(id), 0) AS id FROM {name}) AS used"
        ),
        {"beyond": beyond},
    )


def _sequence(connection: sa.Connection, name: str) -> str | None:
    found: str | None = connection.scalar(
        sa.text("SELECT pg_get_serial_sequence(:name, 'id')"), {"name": name}
    )
    return found


def _columns(connection: sa.Connection, name: str) -> dict[str, Any]:
    rows = connection.execute(
        sa.text(
            """
            SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type,
                   format_type(a.atttypid, a.atttypmod) AS full_type,
                   a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AS required
            FROM pg_attribute a
            WHERE a.attrelid = to_regclass(:name) AND a.attnum > 0 AND NOT a.attisdropped
            """
        ),
        {"name": name},
    )
    return {row.name: row for row in rows}


def _refuse_unless_known(present: set[str]) -> None:
    missing = {"id", "code"} - present
    if missing:
        raise DatabaseConflict(
            f"{LEGACY} has no column {', '.join(sorted(missing))}, so it is not the table of "
            "action types that is to be carried over: rename it first"
        )
    unknown = present - TYPES.keys() | present & {"marketplace"}
    if unknown:
        raise DatabaseConflict(
            f"{LEGACY} has columns that {TABLE} has no room for ({', '.join(sorted(unknown))}): "
            "drop them, or keep what they hold elsewhere, first"
        )


def _refuse_unless_ours(connection: sa.Connection) -> None:
    # A table of that name may belong to another program, whose rows must not be changed.
    different: list[str] = []
    if _kind(connection, TABLE) not in ("r", "p"):
        different.append("it is not a table")
    else:
        found = _columns(connection, TABLE)
        different += _different_columns(found)
        if "id" in found and _sequence(connection, TABLE) is None:
            different.append("id has no sequence")
        unique = _unique_keys(connection)
        different += [
            f"({', '.join(sorted(key))}) is not unique"
            for key in (frozenset({"id"}), frozenset({"marketplace", "code"}))
            if key <= found.keys() and key not in unique
        ]
    if different:
        raise DatabaseConflict(
            f"{TABLE} exists and is another table than the one needed here: "
            f"{'; '.join(different)}. Rename it, or make it fit (nothing was changed)"
        )


def _different_columns(found: Mapping[str, Any]) -> list[str]:
    different = [f"it has no column {name}" for name in TYPES if name not in found]
    for name, column in found.items():
        if name not in TYPES:
            if column.required:
                different.append(f"its column {name} must be given a value")
        elif column.type not in TYPES[name]:
            different.append(f"its column {name} is {column.full_type}")
    return different


def _unique_keys(connection: sa.Connection) -> set[frozenset[str]]:
    rows = connection.execute(
        sa.text(
            """
            SELECT array_agg(a.attname::text) FROM pg_index i
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
            WHERE i.indrelid = to_regclass(:name) AND i.indisunique AND i.indisvalid
              AND i.indpred IS NULL AND i.indexprs IS NULL
            GROUP BY i.indexrelid
            """
        ),
        {"name": TABLE},
    )
    return {frozenset(names) for (names,) in rows}
