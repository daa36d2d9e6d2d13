"""Create the encrypted credentials of shops, in a table apart from that of the shops.

Revision ID: 20260109_1000
Revises: 20260109_0900
"""

import sqlalchemy as sa
from alembic import context, op

revision = "20260109_1000"
down_revision = "20260109_0900"

SCHEMA = "marketplace_runtime"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "shop_credentials",
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("access_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refresh_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.PrimaryKeyConstraint("shop_id", name="pk_shop_credentials"),
        sa.ForeignKeyConstraint(
            ["shop_id"],
            [f"{SCHEMA}.shops.id"],
            name="fk_shop_credentials_shop_id",
            ondelete="CASCADE",
        ),
        schema=SCHEMA,
    )
    context.config.attributes["done"].append(f"✓ Created {SCHEMA}.shop_credentials")


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("shop_credentials", schema=SCHEMA)
    context.config.attributes["done"].append(f"✓ Dropped {SCHEMA}.shop_credentials")
