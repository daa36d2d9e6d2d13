"""Moves foreign keys from one table to another, for migrations."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import sqlalchemy as sa

from runtime.errors import DatabaseConflict


class Reference(NamedTuple):
    """A foreign key that refers to a table; all names are qualified and quoted."""

    table: str
    constraint: str
    column: str
    target: str
    definition: str


def repoint(
    connection: sa.Connection, source: str, target: str, moved: Mapping[int, int]
) -> list[str]:
    """Move every foreign key on ``source`` to ``target``, and replace the ids that changed.

    Returns:
        Lines for the operator on columns that have no foreign key, and keep the former ids.
    """
    told: list[str] = []
    references = _references(connection, source)
    for reference in references:
        if reference.target != "id":
            raise DatabaseConflict(
                f"the foreign key {reference.constraint} of {reference.table} points at "
                f"{source}({reference.target}), and only ids can be followed: drop it first"
            )
        connection.execute(
            sa.text(f"ALTER TABLE {reference.table} DROP CONSTRAINT {reference.constraint}")
        )
    if moved:
        # One statement replaces all ids: with 1 → 5 and 5 → 1, one by one would merge the two.
        pairs = ", ".join(f"({old}, {new})" for old, new in moved.items())
        for table, column in sorted({(one.table, one.column) for one in references}):
            connection.execute(
                sa.text(
                    f"UPDATE {table} AS t SET {column} = moved.new_id "
                    f"FROM (VALUES {pairs}) AS moved (old_id, new_id) "
                    f"WHERE t.{column} = moved.old_id"
                )
            )
        # PostgreSQL alters no table whose constraint checks are still deferred in this transaction.
        connection.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
        told = _what_cannot_follow(connection, references, moved)
    for reference in references:
        definition = re.sub(
            r"REFERENCES [^(]+", f"REFERENCES {target}", reference.definition, count=1
        )
        connection.execute(
            sa.text(
                f"ALTER TABLE {reference.table} ADD CONSTRAINT {reference.constraint} {definition}"
            )
        )
    return told


def _what_cannot_follow(
    connection: sa.Connection, references: list[Reference], moved: Mapping[int, int]
) -> list[str]:
    """Describe columns that seem to refer to the table, but have no foreign key."""
    named = connection.scalars(
        sa.text(
            """
            SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c
            JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'action_type_id'
            WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT EXISTS (
                SELECT FROM pg_constraint f
                WHERE f.conrelid = c.oid AND f.contype = 'f' AND a.attnum = ANY (f.conkey))
            ORDER BY 1
            """
        )
    ).all()
    followed = {one.table for one in references}
    ids = ", ".join(f"{old} → {new}" for old, new in moved.items())
    return [
        f"! {table}.action_type_id has no foreign key and was left alone; moved: {ids}"
        for table in named
        if table not in followed
    ]


# The foreign key of a partition (``conparentid``) follows the one of its parent by itself.
def _references(connection: sa.Connection, name: str) -> list[Reference]:
    rows = connection.execute(
        sa.text(
            """
            SELECT format('%I.%I', n.nspname, t.relname), quote_ident(c.conname),
                   string_agg(quote_ident(here.attname), ', '),
                   string_agg(quote_ident(there.attname), ', '),
                   pg_get_constraintdef(c.oid)
            FROM pg_constraint c
            JOIN pg_class t ON t.oid = c.conrelid
            JOIN pg_namespace n ON n.oid = t.relnamespace
            CROSS JOIN LATERAL unnest(c.conkey, c.confkey) AS pair (here, there)
            JOIN pg_attribute here ON here.attrelid = c.conrelid AND here.attnum = pair.here
            JOIN pg_attribute there ON there.attrelid = c.confrelid AND there.attnum = pair.there
            WHERE c.contype = 'f' AND c.conparentid = 0 AND c.confrelid = to_regclass(:name)
            GROUP BY c.oid, n.nspname, t.relname, c.conname
            ORDER BY 1, 2
            """
        ),
        {"name": name},
    )
    return [Reference(*row) for row in rows]
