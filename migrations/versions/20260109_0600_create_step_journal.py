"""Create the step journal, and let autovacuum keep up with the tables that change most.

Revision ID: 20260109_0600
Revises: 20260109_0500
"""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects.postgresql import JSONB

revision = "20260109_0600"
down_revision = "20260109_0500"

SCHEMA = "marketplace_runtime"

# Pruning and expiry find their rows by these indexes.
HOUSEKEEPING = {
    "completed_at": "completed_at IS NOT NULL",
    "expires_at": "started_at IS NULL AND expires_at IS NOT NULL",
}

# A job's row is rewritten several times in its life, so thousands of dead rows gather while
# autovacuum's defaults wait for a fifth of the table.
HOT_TABLES = {
    "marketplace_jobs": "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,"
    " autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0, fillfactor = 80",
    "marketplace_tasks": "autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0",
    "runtime_nodes": "autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0,"
    " fillfactor = 50",
}


def upgrade() -> None:
    """Create the table, and set the storage parameters."""
    op.create_table(
        "marketplace_tasks",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("within", sa.Text(), nullable=True),
        sa.Column("task_type", sa.String(20), nullable=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("request", JSONB(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("result", JSONB(), nullable=True),
        sa.Column("error", JSONB(), nullable=True),
        sa.Column("ended_run", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settles_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_marketplace_tasks"),
        sa.ForeignKeyConstraint(
            # A job that is removed takes its journal along.
            ["job_id"],
            [f"{SCHEMA}.marketplace_jobs.id"],
            name="fk_marketplace_tasks_job_id",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("job_id", "name", name="uq_marketplace_tasks_job_id_name"),
        sa.CheckConstraint(
            "status IN ('started', 'succeeded', 'failed', 'unknown')",
            name="ck_marketplace_tasks_status",
        ),
        schema=SCHEMA,
    )
    for column, condition in HOUSEKEEPING.items():
        op.create_index(
            f"ix_marketplace_jobs_{column}",
            "marketplace_jobs",
            [column],
            schema=SCHEMA,
            postgresql_where=sa.text(condition),
        )
    for table, parameters in HOT_TABLES.items():
        op.execute(f"ALTER TABLE {SCHEMA}.{table} SET ({parameters})")
    context.config.attributes["done"].append(f"✓ Created {SCHEMA}.marketplace_tasks")


def downgrade() -> None:
    """Drop the table, and reset the storage parameters."""
    op.drop_table("marketplace_tasks", schema=SCHEMA)
    for column in HOUSEKEEPING:
        op.drop_index(f"ix_marketplace_jobs_{column}", "marketplace_jobs", schema=SCHEMA)
    for table, parameters in HOT_TABLES.items():
        names = ", ".join(one.partition("=")[0].strip() for one in parameters.split(","))
        if table != "marketplace_tasks":
            op.execute(f"ALTER TABLE {SCHEMA}.{table} RESET ({names})")
    context.config.attributes["done"].append(f"✓ Dropped {SCHEMA}.marketplace_tasks")
