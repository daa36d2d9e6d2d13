"""Remember the state of rows of the former system when they were taken over.

Revision ID: 20260109_1200
Revises: 20260109_1100
"""

import sqlalchemy as sa
from alembic import context, op

revision = "20260109_1200"
down_revision = "20260109_1100"

SCHEMA = "marketplace_runtime"


def upgrade() -> None:
    """Add the columns, which are empty for rows that were taken over before."""
    for name in ("former_status", "fingerprint"):
        op.add_column("former_rows", sa.Column(name, sa.Text(), nullable=True), schema=SCHEMA)
    context.config.attributes["done"].append(f"✓ Extended {SCHEMA}.former_rows")


def downgrade() -> None:
    """Remove the columns."""
    for name in ("former_status", "fingerprint"):
        op.drop_column("former_rows", name, schema=SCHEMA)
    context.config.attributes["done"].append(f"✓ Reduced {SCHEMA}.former_rows")
