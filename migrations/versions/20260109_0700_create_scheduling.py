"""Create the tables of closures and usage, and the column for the product of a job.

Revision ID: 20260109_0700
Revises: 20260109_0600
"""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

revision = "20260109_0700"
down_revision = "20260109_0600"

SCHEMA = "marketplace_runtime"
UNFINISHED_PRODUCT = "product_key IS NOT NULL AND status IN ('pending', 'running', 'paused')"
RUNNING_PRODUCT = "product_key IS NOT NULL AND status = 'running'"
EXPIRY_RUNNING = (
    "status = 'pending' AND started_at IS NULL AND expires_at IS NOT NULL"
    " AND expiry_held_since IS NULL"
)
EXPIRY_HELD = "status = 'pending' AND expiry_held_since IS NOT NULL"


def upgrade() -> None:
    """Add the columns, and create the tables."""
    op.add_column(
        "marketplace_jobs", sa.Column("product_key", sa.Text(), nullable=True), schema=SCHEMA
    )
    op.add_column(
        "marketplace_jobs",
        sa.Column("expiry_held_since", sa.DateTime(timezone=True), nullable=True),
        schema=SCHEMA,
    )
    op.add_column(
        "marketplace_jobs",
        sa.Column("pause_requested", sa.Boolean(), server_default=sa.false(), nullable=False),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_marketplace_jobs_product",
        "marketplace_jobs",
        ["shop_id", "product_key", "id"],
        schema=SCHEMA,
        postgresql_where=sa.text(UNFINISHED_PRODUCT),
    )
    # Two claims that do not see each other could each take a job of one product; this index refuses
    # the second.
    op.create_index(
        "uq_marketplace_jobs_product_running",
        "marketplace_jobs",
        ["shop_id", "product_key"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text(RUNNING_PRODUCT),
    )
    # The sweeps look for jobs whose time runs, and for jobs whose time stands still.
    for name, where in (("running", EXPIRY_RUNNING), ("held", EXPIRY_HELD)):
        op.create_index(
            f"ix_marketplace_jobs_expiry_{name}",
            "marketplace_jobs",
            ["shop_id"],
            schema=SCHEMA,
            postgresql_where=sa.text(where),
        )
    # The marketplaces that are down stand in the row of their node, so that the mark goes with the
    # node.
    op.add_column(
        "runtime_nodes",
        sa.Column("down", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        schema=SCHEMA,
    )
    op.create_table(
        "budget_closures",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("marketplace", sa.String(50), nullable=False),
        sa.Column("level", sa.String(20), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), nullable=True),
        sa.Column("action", sa.String(50), nullable=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name="pk_budget_closures"),
        sa.ForeignKeyConstraint(
            ["shop_id"],
            [f"{SCHEMA}.shops.id"],
            name="fk_budget_closures_shop_id",
            ondelete="CASCADE",
        ),
        # A scope above the shops has no shop, and two closures of it are one all the same.
        sa.UniqueConstraint(
            "marketplace",
            "level",
            "shop_id",
            "action",
            "kind",
            name="uq_budget_closures_marketplace_level_shop_id_action_kind",
            postgresql_nulls_not_distinct=True,
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "budget_usage",
        sa.Column("marketplace", sa.String(50), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("window_seconds", sa.Integer(), nullable=False),
        sa.Column("bucket_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "marketplace", "node", "window_seconds", "bucket_start", name="pk_budget_usage"
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "browser_last_seen",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_browser_last_seen"),
        schema=SCHEMA,
    )
    context.config.attributes["done"].append(f"✓ Created {SCHEMA}.budget_closures and budget_usage")


def downgrade() -> None:
    """Drop the tables, and remove the columns."""
    op.drop_table("browser_last_seen", schema=SCHEMA)
    op.drop_table("budget_usage", schema=SCHEMA)
    op.drop_table("budget_closures", schema=SCHEMA)
    op.drop_index("uq_marketplace_jobs_product_running", "marketplace_jobs", schema=SCHEMA)
    for name in ("running", "held"):
        op.drop_index(f"ix_marketplace_jobs_expiry_{name}", "marketplace_jobs", schema=SCHEMA)
    op.drop_index("ix_marketplace_jobs_product", "marketplace_jobs", schema=SCHEMA)
    op.drop_column("runtime_nodes", "down", schema=SCHEMA)
    op.drop_column("marketplace_jobs", "pause_requested", schema=SCHEMA)
    op.drop_column("marketplace_jobs", "expiry_held_since", schema=SCHEMA)
    op.drop_column("marketplace_jobs", "product_key", schema=SCHEMA)
    context.config.attributes["done"].append(f"✓ Dropped {SCHEMA}.budget_closures and budget_usage")
