"""The tables of jobs and their steps."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    String,
    UniqueConstraint,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from runtime.runs.job_states import JobStatus
from runtime.runs.journal import StepStatus
from runtime.storage.models.declarative_base import SCHEMA, Base

_STATUSES = ", ".join(f"'{status.value}'" for status in JobStatus)
_STEP_STATUSES = ", ".join(f"'{status.value}'" for status in StepStatus)


class MarketplaceJob(Base):
    """One action to be done for one shop."""

    __tablename__ = "marketplace_jobs"
    __table_args__ = (
        CheckConstraint(f"status IN ({_STATUSES})", name="status"),
        CheckConstraint("priority BETWEEN 1 AND 4", name="priority"),
        # The claim reads each lane in this order and touches nothing but pending rows.
        Index(
            "ix_marketplace_jobs_claim",
            "marketplace",
            "shop_id",
            "priority",
            "run_at",
            "id",
            postgresql_where=text("status = 'pending'"),
        ),
        # Jobs are handed back, and compared with those that the actors run, by their node.
        Index(
            "ix_marketplace_jobs_running",
            "node_id",
            "marketplace",
            postgresql_where=text("status = 'running'"),
        ),
        # By this index and the next one the housekeeper finds jobs whose retention, or whose time
        # to start, is over.
        Index(
            "ix_marketplace_jobs_completed_at",
            "completed_at",
            postgresql_where=text("completed_at IS NOT NULL"),
        ),
        Index(
            "ix_marketplace_jobs_expires_at",
            "expires_at",
            postgresql_where=text("started_at IS NULL AND expires_at IS NOT NULL"),
        ),
        # The sweep of expiry finds by this the jobs of blocked shops whose time runs.
        Index(
            "ix_marketplace_jobs_expiry_running",
            "shop_id",
            postgresql_where=text(
                "status = 'pending' AND started_at IS NULL AND expires_at IS NOT NULL"
                " AND expiry_held_since IS NULL"
            ),
        ),
        # And by this it finds those whose time stands still.
        Index(
            "ix_marketplace_jobs_expiry_held",
            "shop_id",
            postgresql_where=text("status = 'pending' AND expiry_held_since IS NOT NULL"),
        ),
        # Jobs of one product run one at a time.
        Index(
            "ix_marketplace_jobs_product",
            "shop_id",
            "product_key",
            "id",
            postgresql_where=text(
                "product_key IS NOT NULL AND status IN ('pending', 'running', 'paused')"
            ),
        ),
        # Two claims that cannot see each other might both take a job of one product. This index
        # lets the later one fail as a whole, and it is made again.
        Index(
            "uq_marketplace_jobs_product_running",
            "shop_id",
            "product_key",
            unique=True,
            postgresql_where=text("product_key IS NOT NULL AND status = 'running'"),
        ),
        # A batch counts its jobs, and cancels them.
        Index(
            "ix_marketplace_jobs_batch_job_id",
            "batch_job_id",
            postgresql_where=text("batch_job_id IS NOT NULL"),
        ),
        # One probe of this index tells whether a batch is over, however many jobs it has.
        Index(
            "ix_marketplace_jobs_batch_unfinished",
            "batch_job_id",
            postgresql_where=text(
                "batch_job_id IS NOT NULL AND status IN ('pending', 'running', 'paused')"
            ),
        ),
        # This index decides which of two callers with one key creates the job: both would find
        # nothing by a look before the insert.
        Index(
            "uq_marketplace_jobs_idempotency_key",
            "user_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
        {"schema": SCHEMA},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    marketplace: Mapped[str] = mapped_column(String(50))
    action_type_id: Mapped[int] = mapped_column(ForeignKey("public.marketplace_action_types.id"))
    user_id: Mapped[int] = mapped_column(BigInteger)
    shop_id: Mapped[int] = mapped_column(ForeignKey(f"{SCHEMA}.shops.id"))
    # No foreign key: a product may be removed while jobs name it, and a delete can still run then.
    product_id: Mapped[int | None] = mapped_column(BigInteger)
    # The key names a product that has a row, and also one that stands in the job alone.
    product_key: Mapped[str | None]
    batch_job_id: Mapped[int | None] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(20), server_default=JobStatus.PENDING.value)
    priority: Mapped[int] = mapped_column(SmallInteger, server_default="3")
    input_data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    # Without none_as_null, None would be stored as JSON's null, which is not NULL for a query.
    result_data: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    # The claim that first starts the job copies the product here, so all its runs see the same.
    product_snapshot: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    error_message: Mapped[str | None]
    failed_step: Mapped[str | None]
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    retry_count: Mapped[int] = mapped_column(Integer, server_default="0")
    max_retries: Mapped[int] = mapped_column(Integer, server_default="3")
    snooze_count: Mapped[int] = mapped_column(Integer, server_default="0")
    poison_count: Mapped[int] = mapped_column(Integer, server_default="0")
    # Each claim raises it, and every statement of a run names it: an older run matches no row.
    fence: Mapped[int] = mapped_column(BigInteger, server_default="0")
    node_id: Mapped[int | None] = mapped_column(BigInteger)
    run_at: Mapped[datetime] = mapped_column(server_default=func.now())
    idempotency_key: Mapped[str | None]
    superseded_by: Mapped[int | None] = mapped_column(BigInteger)
    cancel_requested: Mapped[bool] = mapped_column(Boolean, server_default=false())
    pause_requested: Mapped[bool] = mapped_column(Boolean, server_default=false())
    waiting_reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    # Where this is set, the job's time to expire stands still; expires_at is moved on when the job
    # is free, because nobody knows before how long a closure lasts.
    expiry_held_since: Mapped[datetime | None]


class MarketplaceTask(Base):
    """One row of the step journal, for each step of a job that a run has recorded.

    ``fence`` names the run that wrote the row last, ``within`` the step that it is part of.
    ``ended_run`` marks a failure that ended its run, so that the next run does the step again.
    """

    __tablename__ = "marketplace_tasks"
    __table_args__ = (
        # A step is known by its name: a second run that comes to it finds what the first one
        # recorded.
        UniqueConstraint("job_id", "name"),
        CheckConstraint(f"status IN ({_STEP_STATUSES})", name="status"),
        {"schema": SCHEMA},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    job_id: Mapped[int] = mapped_column(
        ForeignKey(f"{SCHEMA}.marketplace_jobs.id", ondelete="CASCADE")
    )
    name: Mapped[str]
    within: Mapped[str | None]
    task_type: Mapped[str | None] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(20))
    fence: Mapped[int] = mapped_column(BigInteger)
    request: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    # The id of a browser's command is known before the command leaves, so its answer can still be
    # told after a restart.
    request_id: Mapped[str | None]
    result: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    ended_run: Mapped[bool] = mapped_column(Boolean, server_default=false())
    sent_at: Mapped[datetime | None]
    # After not_after the write cannot leave any more, after settles_at it cannot take effect any
    # more; from then on a look that finds nothing means that nothing happened.
    not_after: Mapped[datetime | None]
    settles_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    completed_at: Mapped[datetime | None]
