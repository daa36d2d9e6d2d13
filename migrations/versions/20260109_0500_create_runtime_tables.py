"""Create the tables of the runtime, in a schema of its own.

Revision ID: 20260109_0500
Revises: 20260109_0400
"""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects.postgresql import JSONB

from runtime.errors import DatabaseConflict

revision = "20260109_0500"
down_revision = "20260109_0400"

SCHEMA = "marketplace_runtime"
TABLES = ("shops", "marketplace_jobs", "listings", "runtime_nodes", "browser_presence")


def upgrade() -> None:
    """Create the tables."""
    _refuse_if_there(op.get_bind())
    _create_shops()
    _create_marketplace_jobs()
    _create_listings()
    _create_runtime_nodes()
    _create_browser_presence()
    context.config.attributes["done"].append(f"✓ Created {len(TABLES)} tables in {SCHEMA}")


def downgrade() -> None:
    """Drop the tables, unless they hold unfinished jobs."""
    unfinished = op.get_bind().scalar(
        sa.text(
            f"SELECT count(*) FROM {SCHEMA}.marketplace_jobs "
            "WHERE status IN ('pending', 'running', 'paused')"
        )
    )
    if unfinished:
        raise DatabaseConflict(
            f"{unfinished} jobs in {SCHEMA}.marketplace_jobs have not ended, and would be lost: "
            "let them end, or cancel them, first"
        )
    for table in reversed(TABLES):
        op.drop_table(table, schema=SCHEMA)
    context.config.attributes["done"].append(f"✓ Dropped {len(TABLES)} tables in {SCHEMA}")


def _refuse_if_there(connection: sa.Connection) -> None:
    found = connection.scalars(
        sa.text(
            "SELECT relname FROM pg_class "
            "WHERE relnamespace = to_regnamespace(:schema) AND relname = ANY (:tables) ORDER BY 1"
        ),
        {"schema": SCHEMA, "tables": list(TABLES)},
    ).all()
    if found:
        raise DatabaseConflict(
            f"the schema {SCHEMA} holds {', '.join(found)} already, made by something else: "
            "rename or drop them first (nothing was changed)"
        )


def _time(name: str, *, required: bool = False) -> sa.Column[object]:
    default = sa.func.now() if required else None
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=default, nullable=not required
    )


def _json(name: str, *, required: bool = False) -> sa.Column[object]:
    default = sa.text("'{}'::jsonb") if required else None
    return sa.Column(name, JSONB(), server_default=default, nullable=not required)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False)


def _create_shops() -> None:
    op.create_table(
        "shops",
        _id(),
        sa.Column("marketplace", sa.String(50), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        _json("settings", required=True),
        _time("created_at", required=True),
        sa.PrimaryKeyConstraint("id", name="pk_shops"),
        sa.UniqueConstraint("marketplace", "external_id", name="uq_shops_marketplace_external_id"),
        schema=SCHEMA,
    )
    op.create_index("ix_shops_user_id", "shops", ["user_id"], schema=SCHEMA)


def _create_marketplace_jobs() -> None:
    op.create_table(
        "marketplace_jobs",
        _id(),
        sa.Column("marketplace", sa.String(50), nullable=False),
        sa.Column("action_type_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=True),
        sa.Column("batch_job_id", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.String(20), server_default="pending", nullable=False),
        sa.Column("priority", sa.SmallInteger(), server_default="3", nullable=False),
        _json("input_data", required=True),
        _json("result_data"),
        _json("product_snapshot"),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("failed_step", sa.Text(), nullable=True),
        _json("progress"),
        sa.Column("retry_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_retries", sa.Integer(), server_default="3", nullable=False),
        sa.Column("snooze_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("poison_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("node_id", sa.BigInteger(), nullable=True),
        _time("run_at", required=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("superseded_by", sa.BigInteger(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("waiting_reason", sa.Text(), nullable=True),
        _time("created_at", required=True),
        _time("started_at"),
        _time("completed_at"),
        _time("expires_at"),
        sa.PrimaryKeyConstraint("id", name="pk_marketplace_jobs"),
        sa.ForeignKeyConstraint(
            ["action_type_id"],
            ["public.marketplace_action_types.id"],
            name="fk_marketplace_jobs_action_type_id",
        ),
        sa.ForeignKeyConstraint(
            ["shop_id"], [f"{SCHEMA}.shops.id"], name="fk_marketplace_jobs_shop_id"
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'running', 'paused', 'completed', 'failed', 'cancelled', "
            "'expired')",
            name="ck_marketplace_jobs_status",
        ),
        sa.CheckConstraint("priority BETWEEN 1 AND 4", name="ck_marketplace_jobs_priority"),
        schema=SCHEMA,
    )
    # A claim reads the head of each shop and priority from this index, however long the backlog is.
    op.create_index(
        "ix_marketplace_jobs_claim",
        "marketplace_jobs",
        ["marketplace", "shop_id", "priority", "run_at", "id"],
        schema=SCHEMA,
        postgresql_where=sa.text("status = 'pending'"),
    )
    # Jobs are handed back, and compared with those that the actors run, by their node.
    op.create_index(
        "ix_marketplace_jobs_running",
        "marketplace_jobs",
        ["node_id", "marketplace"],
        schema=SCHEMA,
        postgresql_where=sa.text("status = 'running'"),
    )
    # This index decides which of two callers with one key creates the job.
    op.create_index(
        "uq_marketplace_jobs_idempotency_key",
        "marketplace_jobs",
        ["user_id", "idempotency_key"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )


def _create_listings() -> None:
    op.create_table(
        "listings",
        _id(),
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("status", sa.String(20), server_default="live", nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("price", sa.Numeric(12, 2), nullable=True),
        sa.Column("currency", sa.String(3), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        _json("data", required=True),
        _time("first_seen_at", required=True),
        _time("last_seen_at", required=True),
        _time("gone_at"),
        sa.PrimaryKeyConstraint("id", name="pk_listings"),
        sa.ForeignKeyConstraint(["shop_id"], [f"{SCHEMA}.shops.id"], name="fk_listings_shop_id"),
        sa.UniqueConstraint("shop_id", "external_id", name="uq_listings_shop_id_external_id"),
        sa.CheckConstraint("status IN ('live', 'gone')", name="ck_listings_status"),
        schema=SCHEMA,
    )


def _create_runtime_nodes() -> None:
    op.create_table(
        "runtime_nodes",
        _id(),
        sa.Column("hostname", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        _time("started_at", required=True),
        _time("heartbeat_at", required=True),
        sa.PrimaryKeyConstraint("id", name="pk_runtime_nodes"),
        schema=SCHEMA,
    )


def _create_browser_presence() -> None:
    op.create_table(
        "browser_presence",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("node_id", sa.BigInteger(), nullable=False),
        _time("connected_at", required=True),
        sa.PrimaryKeyConstraint("user_id", "node_id", name="pk_browser_presence"),
        sa.ForeignKeyConstraint(
            # With a node goes its record of connected browsers.
            ["node_id"],
            [f"{SCHEMA}.runtime_nodes.id"],
            name="fk_browser_presence_node_id",
            ondelete="CASCADE",
        ),
        schema=SCHEMA,
    )
