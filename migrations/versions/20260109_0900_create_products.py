"""Create products, orders and conversations, and link listings to products.

Revision ID: 20260109_0900
Revises: 20260109_0800
"""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects.postgresql import JSONB

revision = "20260109_0900"
down_revision = "20260109_0800"

SCHEMA = "marketplace_runtime"


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "products",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), server_default="1", nullable=False),
        # The quantity of the last import: the same again must not bring back what was sold since.
        sa.Column("stated_quantity", sa.Integer(), nullable=True),
        sa.Column("data", JSONB(), nullable=False),
        _moment("created_at"),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_products"),
        sa.CheckConstraint("quantity >= 0", name="ck_products_quantity"),
        # The columns repeat what the JSON says, and must not contradict it.
        sa.CheckConstraint(
            "data ->> 'sku' = sku AND (data ->> 'quantity')::int = quantity",
            name="ck_products_data",
        ),
        sa.UniqueConstraint("user_id", "sku", name="uq_products_user_id_sku"),
        schema=SCHEMA,
    )
    op.add_column("listings", sa.Column("product_id", sa.BigInteger()), schema=SCHEMA)
    op.add_column("listings", sa.Column("product_key", sa.Text()), schema=SCHEMA)
    op.create_foreign_key(
        "fk_listings_product_id",
        "listings",
        "products",
        ["product_id"],
        ["id"],
        source_schema=SCHEMA,
        referent_schema=SCHEMA,
        ondelete="SET NULL",
    )
    op.create_index(
        "ix_listings_product",
        "listings",
        ["shop_id", "product_key"],
        schema=SCHEMA,
        postgresql_where=sa.text("product_key IS NOT NULL"),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("buyer", sa.Text(), nullable=True),
        sa.Column("total", sa.Numeric(12, 2), nullable=True),
        sa.Column("currency", sa.String(3), nullable=True),
        sa.Column("ordered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("data", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        _moment("first_seen_at"),
        _moment("last_seen_at"),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
        sa.ForeignKeyConstraint(["shop_id"], [f"{SCHEMA}.shops.id"], name="fk_orders_shop_id"),
        sa.UniqueConstraint("shop_id", "external_id", name="uq_orders_shop_id_external_id"),
        schema=SCHEMA,
    )
    # Until then all orders of the shop are stored. The newest stored order does not say so, because
    # pages are stored as they come.
    op.add_column("shops", sa.Column("orders_synced_at", sa.DateTime(timezone=True)), schema=SCHEMA)
    op.create_table(
        "order_lines",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("listing_external_id", sa.Text(), nullable=True),
        sa.Column("sku", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Integer(), server_default="1", nullable=False),
        # The product whose quantity this sale has lowered, so that it is lowered once.
        sa.Column("product_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_order_lines"),
        sa.ForeignKeyConstraint(
            ["order_id"],
            [f"{SCHEMA}.orders.id"],
            name="fk_order_lines_order_id",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("order_id", "external_id", name="uq_order_lines_order_id_external_id"),
        schema=SCHEMA,
    )
    op.create_table(
        "conversations",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("data", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        _moment("first_seen_at"),
        _moment("last_seen_at"),
        sa.PrimaryKeyConstraint("id", name="pk_conversations"),
        sa.ForeignKeyConstraint(
            ["shop_id"], [f"{SCHEMA}.shops.id"], name="fk_conversations_shop_id"
        ),
        sa.UniqueConstraint("shop_id", "external_id", name="uq_conversations_shop_id_external_id"),
        schema=SCHEMA,
    )
    context.config.attributes["done"].append(
        f"✓ Created {SCHEMA}.products, orders and conversations"
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("conversations", schema=SCHEMA)
    op.drop_table("order_lines", schema=SCHEMA)
    op.drop_column("shops", "orders_synced_at", schema=SCHEMA)
    op.drop_table("orders", schema=SCHEMA)
    op.drop_index("ix_listings_product", "listings", schema=SCHEMA)
    op.drop_constraint("fk_listings_product_id", "listings", schema=SCHEMA)
    op.drop_column("listings", "product_key", schema=SCHEMA)
    op.drop_column("listings", "product_id", schema=SCHEMA)
    op.drop_table("products", schema=SCHEMA)
    context.config.attributes["done"].append(
        f"✓ Dropped {SCHEMA}.products, orders and conversations"
    )
