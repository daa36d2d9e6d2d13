"""Creates jobs, looks them up and lists them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from runtime.runs.job_states import JobStatus
from runtime.storage.models import MarketplaceActionType, MarketplaceJob, RuntimeNode
from runtime.storage.server.notifications import JOBS_CHANNEL
from runtime.values.arguments import LARGEST_ID

_NOTIFY = text("SELECT pg_notify(:channel, :payload)")

# The payload tells how long it is until the job falls due, by the database's clock. It tells
# nothing if the job is due, so that PostgreSQL merges the equal announcements of a shop's jobs.
_ANNOUNCE = text("""
    SELECT pg_notify(:channel, CAST(
        CAST(:payload AS jsonb) || CASE
            WHEN CAST(:run_at AS timestamptz) <= clock_timestamp() THEN '{}'
            ELSE jsonb_build_object('due_in_ms', ceil(
                extract(epoch FROM CAST(:run_at AS timestamptz) - clock_timestamp()) * 1000
            ))
        END AS text))
""")


def insert_job(session: Session, new: Mapping[str, Any]) -> MarketplaceJob | None:
    """Insert a job, given its columns by name; None if the seller's idempotency key is taken.

    This waits for a transaction that holds the same key. It does not announce the job: see
    :func:`announce_job`.
    """
    statement = (
        insert(MarketplaceJob)
        .values(new)
        # The index decides, and not a look before the insert: two callers with one key would both
        # find nothing. A conflict that raised would abort the transaction, which is the caller's.
        .on_conflict_do_nothing(
            index_elements=["user_id", "idempotency_key"],
            index_where=text("idempotency_key IS NOT NULL"),
        )
        .returning(MarketplaceJob)
    )
    return session.scalars(statement).one_or_none()


def insert_jobs(session: Session, new: Sequence[Mapping[str, Any]]) -> list[MarketplaceJob]:
    """Insert jobs without idempotency keys, many in one statement, in the order given."""
    # RETURNING promises no order by itself, and the caller pairs the jobs with what it asked for.
    statement = insert(MarketplaceJob).returning(MarketplaceJob, sort_by_parameter_order=True)
    return list(session.scalars(statement, new))


def announce_job(session: Session, job: MarketplaceJob) -> None:
    """Tell running services that the job may run, as soon as this transaction is committed."""
    payload = {**_shop_of(job), "priority": job.priority}
    session.execute(
        _ANNOUNCE,
        {"channel": JOBS_CHANNEL, "payload": json.dumps(payload), "run_at": job.run_at},
    )


def announce_end(session: Session, job: MarketplaceJob | Row[Any]) -> None:
    """Tell running services that the jobs of this product which waited for this job may go on.

    It is for jobs that end outside of a run: the service that runs a job knows of the end.
    """
    if job.product_key is not None:
        notify(session, JOBS_CHANNEL, json.dumps(_shop_of(job)))


def _shop_of(job: MarketplaceJob | Row[Any]) -> dict[str, Any]:
    return {"marketplace": job.marketplace, "shop_id": job.shop_id, "user_id": job.user_id}


def notify(session: Session, channel: str, payload: str) -> None:
    """Send a notification with the commit of this transaction."""
    session.execute(_NOTIFY, {"channel": channel, "payload": payload})


def job_by_id(session: Session, job_id: int) -> MarketplaceJob | None:
    """Return the job as the database has it now."""
    if not 0 < job_id <= LARGEST_ID:
        return None
    # The session may hold the job from an earlier look, and services change it behind the session's
    # back; without populate_existing a caller that waits for the end would never see it.
    return session.get(MarketplaceJob, job_id, populate_existing=True)


def job_by_key(session: Session, user_id: int, key: str) -> MarketplaceJob | None:
    """Return the job that a seller's idempotency key stands for."""
    return session.scalars(
        select(MarketplaceJob)
        .where(MarketplaceJob.user_id == user_id, MarketplaceJob.idempotency_key == key)
        .execution_options(populate_existing=True)
    ).one_or_none()


def jobs_by_ids(session: Session, job_ids: Sequence[int]) -> list[MarketplaceJob]:
    """Return those of the jobs that exist, in the order of their ids."""
    query = select(MarketplaceJob).where(MarketplaceJob.id.in_(job_ids))
    return list(session.scalars(query.order_by(MarketplaceJob.id)))


def next_pending(session: Session, marketplace: str | None, limit: int) -> Sequence[MarketplaceJob]:
    """Return pending jobs that are due, by priority and then by age.

    Unlike the order of a service, this one may let jobs of low priority starve.
    """
    query = select(MarketplaceJob).where(
        MarketplaceJob.status == JobStatus.PENDING, MarketplaceJob.run_at <= func.now()
    )
    if marketplace is not None:
        query = query.where(MarketplaceJob.marketplace == marketplace)
    order = (MarketplaceJob.priority, MarketplaceJob.run_at, MarketplaceJob.id)
    return session.scalars(query.order_by(*order).limit(limit)).all()


def first_of_shops(
    session: Session, shop_ids: Sequence[int], status: JobStatus
) -> tuple[MarketplaceJob, str] | None:
    """Return the first job of these shops with that status, and the code of its action.

    A pending job counts only if it is due, and a running one only if a service runs it.
    """
    query = _with_codes().where(
        MarketplaceJob.shop_id.in_(shop_ids), MarketplaceJob.status == status.value
    )
    if status is JobStatus.PENDING:
        query = query.where(MarketplaceJob.run_at <= func.now())
    else:
        serving = select(RuntimeNode.id).where(RuntimeNode.serves)
        query = query.where(MarketplaceJob.node_id.in_(serving))
    order = (MarketplaceJob.priority, MarketplaceJob.run_at, MarketplaceJob.id)
    row = session.execute(query.order_by(*order).limit(1)).first()
    return None if row is None else (row[0], row[1])


def list_jobs(
    session: Session,
    *,
    status: JobStatus | None = None,
    marketplace: str | None = None,
    batch_id: int | None = None,
    limit: int = 50,
) -> list[tuple[MarketplaceJob, str]]:
    """Return jobs with the codes of their actions, the newest first."""
    query = _with_codes()
    if status is not None:
        query = query.where(MarketplaceJob.status == status)
    if marketplace is not None:
        query = query.where(MarketplaceJob.marketplace == marketplace)
    if batch_id is not None:
        query = query.where(MarketplaceJob.batch_job_id == batch_id)
    rows = session.execute(query.order_by(MarketplaceJob.id.desc()).limit(limit))
    return [(job, code) for job, code in rows]


def job_with_code(session: Session, job_id: int) -> tuple[MarketplaceJob, str] | None:
    """Return a job with the code of its action."""
    if not 0 < job_id <= LARGEST_ID:
        return None
    row = session.execute(_with_codes().where(MarketplaceJob.id == job_id)).one_or_none()
    return None if row is None else (row[0], row[1])


def _with_codes() -> Any:
    return (
        select(MarketplaceJob, MarketplaceActionType.code)
        .join(MarketplaceActionType, MarketplaceActionType.id == MarketplaceJob.action_type_id)
        .execution_options(populate_existing=True)
    )
