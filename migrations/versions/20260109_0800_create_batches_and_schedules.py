"""Create batches and schedules.

Revision ID: 20260109_0800
Revises: 20260109_0700
"""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects.postgresql import JSONB

revision = "20260109_0800"
down_revision = "20260109_0700"

SCHEMA = "marketplace_runtime"
BATCH_STATUSES = "status IN ('completed', 'partially_failed', 'failed', 'cancelled')"
UNFINISHED_CHILD = "batch_job_id IS NOT NULL AND status IN ('pending', 'running', 'paused')"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "batch_jobs",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("marketplace", sa.String(50), nullable=False),
        sa.Column("action_type_id", sa.Integer(), nullable=False),
        sa.Column("created_by_user_id", sa.BigInteger(), nullable=False),
        # While the batch is open its jobs tell its status, and this column is empty.
        sa.Column("status", sa.String(20), nullable=True),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("counts", JSONB(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_batch_jobs"),
        sa.ForeignKeyConstraint(
            ["action_type_id"],
            ["public.marketplace_action_types.id"],
            name="fk_batch_jobs_action_type_id",
        ),
        sa.CheckConstraint(BATCH_STATUSES, name="ck_batch_jobs_status"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_batch_jobs_open",
        "batch_jobs",
        ["id"],
        schema=SCHEMA,
        postgresql_where=sa.text("completed_at IS NULL"),
    )
    op.create_index(
        "ix_batch_jobs_completed_at",
        "batch_jobs",
        ["completed_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("completed_at IS NOT NULL"),
    )
    op.create_index(
        "ix_marketplace_jobs_batch_job_id",
        "marketplace_jobs",
        ["batch_job_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("batch_job_id IS NOT NULL"),
    )
    # A batch without an unfinished job is over; this index answers that for batches of any size.
    op.create_index(
        "ix_marketplace_jobs_batch_unfinished",
        "marketplace_jobs",
        ["batch_job_id"],
        schema=SCHEMA,
        postgresql_where=sa.text(UNFINISHED_CHILD),
    )
    op.create_table(
        "job_schedules",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("cron", sa.Text(), nullable=False),
        sa.Column("timezone", sa.String(64), server_default="UTC", nullable=False),
        sa.Column("marketplace", sa.String(50), nullable=False),
        sa.Column("action_type_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=True),
        sa.Column("input_data", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("paused", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("next_run_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_job_id", sa.BigInteger(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name="pk_job_schedules"),
        sa.ForeignKeyConstraint(
            ["action_type_id"],
            ["public.marketplace_action_types.id"],
            name="fk_job_schedules_action_type_id",
        ),
        sa.ForeignKeyConstraint(
            ["shop_id"],
            [f"{SCHEMA}.shops.id"],
            name="fk_job_schedules_shop_id",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("name", name="uq_job_schedules_name"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_job_schedules_due",
        "job_schedules",
        ["next_run_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("NOT paused"),
    )
    context.config.attributes["done"].append(f"✓ Created {SCHEMA}.batch_jobs and job_schedules")


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("job_schedules", schema=SCHEMA)
    op.drop_index("ix_marketplace_jobs_batch_unfinished", "marketplace_jobs", schema=SCHEMA)
    op.drop_index("ix_marketplace_jobs_batch_job_id", "marketplace_jobs", schema=SCHEMA)
    op.drop_table("batch_jobs", schema=SCHEMA)
    context.config.attributes["done"].append(f"✓ Dropped {SCHEMA}.batch_jobs and job_schedules")
