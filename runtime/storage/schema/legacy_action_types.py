"""Remembers which ids of ``vinted.action_types`` stood for which actions.

Ids may change when the rows move to ``public.marketplace_action_types``, but jobs of the former
system still name the old ids. The import of these jobs and the downgrade both need them.
"""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, text

TABLE = "marketplace_runtime.former_action_types"


class MovedActionType(NamedTuple):
    """A row of the legacy table that was moved.

    Attributes:
        former_id, former_code: its id and code in the legacy table.
        id: the id of its row in ``public.marketplace_action_types``.
    """

    former_id: int
    former_code: str
    marketplace: str
    code: str
    id: int


def prepare_memory(connection: Connection) -> None:
    """Create the table if it is missing."""
    if connection.scalar(text("SELECT to_regclass(:name)"), {"name": TABLE}) is None:
        connection.execute(
            text(f"""
            CREATE TABLE {TABLE} (
                former_id bigint CONSTRAINT pk_former_action_types PRIMARY KEY,
                former_code text NOT NULL,
                marketplace varchar(50) NOT NULL,
                code varchar(50) NOT NULL
            )""")
        )


def remember(connection: Connection, carried: Iterable[tuple[int, str, str, str]]) -> None:
    """Note (former id, former code, marketplace, code) of each row, in place of older notes."""
    rows = [
        dict(zip(("former_id", "former_code", "marketplace", "code"), one, strict=True))
        for one in carried
    ]
    if rows:
        connection.execute(
            text(f"""
            INSERT INTO {TABLE} VALUES (:former_id, :former_code, :marketplace, :code)
            ON CONFLICT (former_id) DO UPDATE SET former_code = excluded.former_code,
                marketplace = excluded.marketplace, code = excluded.code
            """),
            rows,
        )


def remembered(connection: Connection) -> list[MovedActionType]:
    """Return the rows that were carried over and are still there."""
    if connection.scalar(text("SELECT to_regclass(:name)"), {"name": TABLE}) is None:
        return []
    rows = connection.execute(
        text(f"""
        SELECT former.former_id, former.former_code, type.marketplace, type.code, type.id
        FROM {TABLE} AS former
        JOIN public.marketplace_action_types AS type
            ON type.marketplace = former.marketplace AND type.code = former.code
        ORDER BY former.former_id
        """)
    )
    return [MovedActionType(*row) for row in rows]


def forget(connection: Connection) -> None:
    """Drop the table, because the legacy table is back."""
    connection.execute(text(f"DROP TABLE IF EXISTS {TABLE}"))


def former_ids(connection: Connection) -> dict[int, tuple[str, int]]:
    """Return the legacy table as it comes back: for each id of today, its code and its id there.

    Every row that came from it gets its former code and id again. A row that was added since
    keeps its id if that is free, or otherwise gets the next one.
    """
    known = remembered(connection)
    places = {one.id: (one.former_code, one.former_id) for one in known}
    taken = {one.former_id for one in known}
    added = connection.execute(
        text(
            "SELECT id, code FROM public.marketplace_action_types "
            "WHERE marketplace = 'vinted' ORDER BY id"
        )
    ).all()
    # The count goes on behind the ids of all rows, so that no number is given away that a later row
    # keeps.
    free = max([*taken, *(row.id for row in added)], default=0)
    for row in added:
        if row.id in places:
            continue
        wanted = row.id
        if wanted in taken:
            free += 1
            wanted = free
        taken.add(wanted)
        places[row.id] = (row.code, wanted)
    return places
