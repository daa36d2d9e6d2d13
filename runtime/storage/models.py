"""The tables.

``public.marketplace_action_types`` is shared with the application; everything else lives in
the schema ``marketplace_runtime``. Migrations make the tables; a test compares the two.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from runtime.journal import StepStatus
from runtime.states import JobStatus

SCHEMA = "marketplace_runtime"

_STATUSES = ", ".join(f"'{status.value}'" for status in JobStatus)
_STEP_STATUSES = ", ".join(f"'{status.value}'" for status in StepStatus)


class Base(DeclarativeBase):
    """Every table of this project."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own way to declare it
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        str: Text,
    }


class MarketplaceActionType(Base):
    """What can be done on a marketplace, and how fast."""

    __tablename__ = "marketplace_action_types"
    __table_args__ = (
        UniqueConstraint("marketplace", "code"),
        {"schema": "public"},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    marketplace: Mapped[str] = mapped_column(String(50))
    code: Mapped[str] = mapped_column(String(50))
    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str | None]
    priority: Mapped[int] = mapped_column(Integer, server_default="3")
    is_batch: Mapped[bool] = mapped_column(Boolean, server_default=false())
    rate_limit_ms: Mapped[int] = mapped_column(Integer, server_default="2000")
    max_retries: Mapped[int] = mapped_column(Integer, server_default="3")
    timeout_seconds: Mapped[int] = mapped_column(Integer, server_default="60")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Shop(Base):
    """One seller's account on one marketplace."""

    __tablename__ = "shops"
    __table_args__ = (
        UniqueConstraint("marketplace", "external_id"),
        Index(None, "user_id"),
        {"schema": SCHEMA},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    marketplace: Mapped[str] = mapped_column(String(50))
    user_id: Mapped[int] = mapped_column(BigInteger)
    external_id: Mapped[str]
    name: Mapped[str | None]
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class MarketplaceJob(Base):
    """One thing to do on one shop."""

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
        Index(
            "ix_marketplace_jobs_running",
            "node_id",
            "marketplace",
            postgresql_where=text("status = 'running'"),
        ),
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
    product_id: Mapped[int | None] = mapped_column(BigInteger)
    batch_job_id: Mapped[int | None] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(20), server_default=JobStatus.PENDING.value)
    priority: Mapped[int] = mapped_column(SmallInteger, server_default="3")
    input_data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    result_data: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    product_snapshot: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    error_message: Mapped[str | None]
    failed_step: Mapped[str | None]
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    retry_count: Mapped[int] = mapped_column(Integer, server_default="0")
    max_retries: Mapped[int] = mapped_column(Integer, server_default="3")
    snooze_count: Mapped[int] = mapped_column(Integer, server_default="0")
    poison_count: Mapped[int] = mapped_column(Integer, server_default="0")
    fence: Mapped[int] = mapped_column(BigInteger, server_default="0")
    node_id: Mapped[int | None] = mapped_column(BigInteger)
    run_at: Mapped[datetime] = mapped_column(server_default=func.now())
    idempotency_key: Mapped[str | None]
    superseded_by: Mapped[int | None] = mapped_column(BigInteger)
    cancel_requested: Mapped[bool] = mapped_column(Boolean, server_default=false())
    waiting_reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]


class MarketplaceTask(Base):
    """The step journal: one row for each step that a run of a job has begun to write.

    ``fence`` names the run that wrote it last, ``within`` the step that it is part of.
    ``ended_run`` marks a failure that ended its run, so that the next one does the step again.
    """

    __tablename__ = "marketplace_tasks"
    __table_args__ = (
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
    request_id: Mapped[str | None]
    result: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    ended_run: Mapped[bool] = mapped_column(Boolean, server_default=false())
    sent_at: Mapped[datetime | None]
    not_after: Mapped[datetime | None]
    settles_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    completed_at: Mapped[datetime | None]


class Listing(Base):
    """What is, or was, on sale in a shop."""

    __tablename__ = "listings"
    __table_args__ = (
        UniqueConstraint("shop_id", "external_id"),
        CheckConstraint("status IN ('live', 'gone')", name="status"),
        {"schema": SCHEMA},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey(f"{SCHEMA}.shops.id"))
    external_id: Mapped[str]
    status: Mapped[str] = mapped_column(String(20), server_default="live")
    title: Mapped[str | None]
    price: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    currency: Mapped[str | None] = mapped_column(String(3))
    url: Mapped[str | None]
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    gone_at: Mapped[datetime | None]


class RuntimeNode(Base):
    """One running service. It holds a session advisory lock on its id."""

    __tablename__ = "runtime_nodes"
    __table_args__ = ({"schema": SCHEMA},)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    hostname: Mapped[str]
    pid: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    heartbeat_at: Mapped[datetime] = mapped_column(server_default=func.now())


class BrowserPresence(Base):
    """A seller whose browser is connected to a node's bridge."""

    __tablename__ = "browser_presence"
    __table_args__ = ({"schema": SCHEMA},)

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    node_id: Mapped[int] = mapped_column(
        ForeignKey(f"{SCHEMA}.runtime_nodes.id", ondelete="CASCADE"), primary_key=True
    )
    connected_at: Mapped[datetime] = mapped_column(server_default=func.now())
