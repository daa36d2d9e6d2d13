"""Create the action types of eBay.

Revision ID: 20260109_0300
Revises: 20260109_0200
"""

import sqlalchemy as sa
from alembic import context, op

from runtime.errors import DatabaseConflict
from runtime.storage.schema.legacy_action_types import remembered

revision = "20260109_0300"
down_revision = "20260109_0200"

TABLE = "public.marketplace_action_types"

COLUMNS = "code, name, description, priority, is_batch, rate_limit_ms, max_retries, timeout_seconds"

ROWS = """
    ('publish', 'Publish Product', 'Create inventory item and offer on eBay',
     3, false, 1000, 3, 60),
    ('update', 'Update Product', 'Update existing eBay listing', 3, false, 1000, 3, 60),
    ('delete', 'Delete Product', 'Delete/end eBay listing', 3, false, 1000, 3, 60),
    ('sync', 'Sync Products', 'Sync all products from eBay inventory', 2, true, 2000, 3, 300),
    ('sync_orders', 'Sync Orders', 'Sync orders from eBay', 2, true, 2000, 3, 300)
"""

CODES = ["publish", "update", "delete", "sync", "sync_orders"]


def upgrade() -> None:
    """Insert the rows that are missing; existing rows are not changed."""
    inserted = op.get_bind().execute(
        sa.text(
            f"INSERT INTO {TABLE} (marketplace, {COLUMNS}, created_at) "
            f"SELECT 'ebay', {COLUMNS}, now() FROM (VALUES {ROWS}) AS wanted ({COLUMNS}) "
            f"WHERE NOT EXISTS (SELECT FROM {TABLE} AS found "
            "WHERE found.marketplace = 'ebay' AND found.code = wanted.code)"
        )
    )
    _say(f"✓ Inserted {inserted.rowcount} eBay action types")


def downgrade() -> None:
    """Delete the rows, unless others refer to them; rows of the legacy table return to it."""
    connection = op.get_bind()
    found = connection.scalars(
        sa.text(f"SELECT id FROM {TABLE} WHERE marketplace = 'ebay' AND code = ANY (:codes)"),
        {"codes": CODES},
    )
    legacy = {one.id for one in remembered(connection)}
    ids = [one for one in found if one not in legacy]
    users = _users(connection, ids)
    if users:
        raise DatabaseConflict(
            f"the eBay action types are in use by {', '.join(users)}: delete those rows first "
            "(nothing was changed)"
        )
    connection.execute(sa.text(f"DELETE FROM {TABLE} WHERE id = ANY (:ids)"), {"ids": ids})
    _say(f"✓ Deleted {len(ids)} eBay action types")


def _say(line: str) -> None:
    context.config.attributes["done"].append(line)


def _users(connection: sa.Connection, ids: list[int]) -> list[str]:
    """Name the tables that refer to the rows, whatever their foreign keys do on a delete."""
    references = connection.execute(
        sa.text(
            """
            SELECT DISTINCT format('%I.%I', n.nspname, t.relname), quote_ident(a.attname)
            FROM pg_constraint c
            JOIN pg_class t ON t.oid = c.conrelid
            JOIN pg_namespace n ON n.oid = t.relnamespace
            JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
            WHERE c.contype = 'f' AND c.conparentid = 0 AND c.confrelid = to_regclass(:name)
            ORDER BY 1, 2
            """
        ),
        {"name": TABLE},
    ).all()
    users = []
    for table, column in references:
        count = connection.scalar(
            sa.text(f"SELECT count(*) FROM {table} WHERE {column} = ANY (:ids)"), {"ids": ids}
        )
        if count:
            users.append(f"{table} ({count} rows)")
    return users
