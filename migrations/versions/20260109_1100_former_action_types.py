"""Create the tables that remember the former system, and tell processors from services.

Revision ID: 20260109_1100
Revises: 20260109_1000
"""

import sqlalchemy as sa
from alembic import context, op

from runtime.storage.schema.legacy_action_types import prepare_memory

revision = "20260109_1100"
down_revision = "20260109_1000"

SCHEMA = "marketplace_runtime"


def upgrade() -> None:
    """Create the tables and the column."""
    # The first revision creates the table today, but databases that ran an older one lack it.
    prepare_memory(op.get_bind())
    op.create_table(
        "former_rows",
        sa.Column("schema_name", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("former_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("new_id", sa.BigInteger(), nullable=False),
        sa.Column("former_product_id", sa.BigInteger(), nullable=True),
        sa.Column("awaits_product", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column(
            "imported_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.PrimaryKeyConstraint("schema_name", "table_name", "former_id", name="pk_former_rows"),
        schema=SCHEMA,
    )
    op.add_column(
        "runtime_nodes",
        sa.Column("serves", sa.Boolean(), server_default=sa.true(), nullable=False),
        schema=SCHEMA,
    )
    context.config.attributes["done"].append(f"✓ Created {SCHEMA}.former_rows")


def downgrade() -> None:
    """Remove the table and the column; the first revision still needs the former ids."""
    op.drop_column("runtime_nodes", "serves", schema=SCHEMA)
    op.drop_table("former_rows", schema=SCHEMA)
    context.config.attributes["done"].append(f"✓ Dropped {SCHEMA}.former_rows")
