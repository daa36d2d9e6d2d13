"""Remember when a node's own heartbeats were interrupted.

Revision ID: 20260109_1300
Revises: 20260109_1200
"""

import sqlalchemy as sa
from alembic import context, op

revision = "20260109_1300"
down_revision = "20260109_1200"

SCHEMA = "marketplace_runtime"


def upgrade() -> None:
    """Add the column, which is empty for nodes that were never cut off."""
    op.add_column(
        "runtime_nodes",
        sa.Column("interrupted_at", sa.DateTime(timezone=True), nullable=True),
        schema=SCHEMA,
    )
    context.config.attributes["done"].append(f"✓ Extended {SCHEMA}.runtime_nodes")


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("runtime_nodes", "interrupted_at", schema=SCHEMA)
    context.config.attributes["done"].append(f"✓ Reduced {SCHEMA}.runtime_nodes")
