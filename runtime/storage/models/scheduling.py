"""The tables of closures, usage, batches and schedules."""

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

from runtime.storage.models.declarative_base import SCHEMA, Base


class BudgetClosure(Base):
    """A closed scope of the rate limits; it opens at a time, or when somebody opens it."""

    __tablename__ = "budget_closures"
    __table_args__ = (
        # A scope above the shops has no shop, and two closures of it are one all the same.
        UniqueConstraint(
            "marketplace", "level", "shop_id", "action", "kind", postgresql_nulls_not_distinct=True
        ),
        {"schema": SCHEMA},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    marketplace: Mapped[str] = mapped_column(String(50))
    level: Mapped[str] = mapped_column(String(20))
    shop_id: Mapped[int | None] = mapped_column(
        ForeignKey(f"{SCHEMA}.shops.id", ondelete="CASCADE")
    )
    action: Mapped[str | None] = mapped_column(String(50))
    kind: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str]
    until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class BudgetUsage(Base):
    """The number of calls that went through a scope in one bucket of a long window."""

    __tablename__ = "budget_usage"
    __table_args__ = ({"schema": SCHEMA},)

    marketplace: Mapped[str] = mapped_column(String(50), primary_key=True)
    node: Mapped[str] = mapped_column(primary_key=True)
    window_seconds: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    bucket_start: Mapped[datetime] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(Integer)


class BatchJob(Base):
    """Many jobs that were created together.

    The state of a batch with unfinished jobs is computed from its jobs, so that it is always
    right. ``status``, ``counts`` and ``completed_at`` are written when the last job has ended,
    and outlive the jobs.
    """

    __tablename__ = "batch_jobs"
    __table_args__ = (
        CheckConstraint(
            "status IN ('completed', 'partially_failed', 'failed', 'cancelled')",
            name="status",
        ),
        # Nearly all batches are closed; the housekeeper looks for the few that are not.
        Index("ix_batch_jobs_open", "id", postgresql_where=text("completed_at IS NULL")),
        Index(
            "ix_batch_jobs_completed_at",
            "completed_at",
            postgresql_where=text("completed_at IS NOT NULL"),
        ),
        {"schema": SCHEMA},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    marketplace: Mapped[str] = mapped_column(String(50))
    action_type_id: Mapped[int] = mapped_column(ForeignKey("public.marketplace_action_types.id"))
    created_by_user_id: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str | None] = mapped_column(String(20))
    priority: Mapped[int] = mapped_column(SmallInteger)
    cancel_requested: Mapped[bool] = mapped_column(Boolean, server_default=false())
    counts: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    completed_at: Mapped[datetime | None]


class JobSchedule(Base):
    """A schedule, which creates a job again and again by a cron expression."""

    __tablename__ = "job_schedules"
    __table_args__ = (
        UniqueConstraint("name"),
        # A paused schedule is never due.
        Index("ix_job_schedules_due", "next_run_at", postgresql_where=text("NOT paused")),
        {"schema": SCHEMA},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    cron: Mapped[str]
    timezone: Mapped[str] = mapped_column(String(64), server_default="UTC")
    marketplace: Mapped[str] = mapped_column(String(50))
    action_type_id: Mapped[int] = mapped_column(ForeignKey("public.marketplace_action_types.id"))
    user_id: Mapped[int] = mapped_column(BigInteger)
    shop_id: Mapped[int] = mapped_column(ForeignKey(f"{SCHEMA}.shops.id", ondelete="CASCADE"))
    priority: Mapped[int | None] = mapped_column(SmallInteger)
    input_data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    paused: Mapped[bool] = mapped_column(Boolean, server_default=false())
    next_run_at: Mapped[datetime]
    last_run_at: Mapped[datetime | None]
    # No foreign key: the retention removes jobs, and the schedule stays.
    last_job_id: Mapped[int | None] = mapped_column(BigInteger)
    error_message: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
