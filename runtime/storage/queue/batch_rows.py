"""Reads and writes batches, and closes those whose jobs have all ended.

A function that ends jobs calls :func:`close_ended` in the same transaction. Two transactions that
end the last two jobs at the same moment do not see each other; the housekeeper closes such a batch
later.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, exists, insert, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from runtime.runs.batch_status import BatchCounts, batch_status
from runtime.runs.job_states import FINAL, JobEvent, JobStatus, sources, target
from runtime.storage.models import SCHEMA, BatchJob, MarketplaceActionType, MarketplaceJob
from runtime.storage.queue.job_rows import notify
from runtime.storage.server.notifications import CANCEL_CHANNEL
from runtime.values.arguments import LARGEST_ID

_UNFINISHED = ", ".join(f"'{status.value}'" for status in JobStatus if status not in FINAL)

_HAS_UNFINISHED = f"""
    EXISTS (
        SELECT 1 FROM {SCHEMA}.marketplace_jobs AS job
        WHERE job.batch_job_id = batch.id AND job.status IN ({_UNFINISHED})
    )
"""

# SKIP LOCKED, because an application's open transaction on one batch must hold up nobody.
_LOCK_ENDED = text(f"""
    SELECT batch.id, batch.cancel_requested FROM {SCHEMA}.batch_jobs AS batch
    WHERE batch.completed_at IS NULL
        AND (CAST(:ids AS bigint[]) IS NULL OR batch.id = ANY(CAST(:ids AS bigint[])))
        AND NOT {_HAS_UNFINISHED}
    FOR UPDATE OF batch SKIP LOCKED
""")

# A job whose work another job does must not count as cancelled, or the batch would seem to have
# failed in part.
_COUNTS = text(f"""
    SELECT batch_job_id, CASE WHEN superseded_by IS NOT NULL AND status = 'cancelled'
        THEN 'superseded' ELSE status END, count(*)
    FROM {SCHEMA}.marketplace_jobs
    WHERE batch_job_id = ANY(CAST(:ids AS bigint[]))
    GROUP BY 1, 2
""")

_CLOSE = text(f"""
    UPDATE {SCHEMA}.batch_jobs
    SET status = :status, counts = :counts, completed_at = clock_timestamp()
    WHERE id = :id
""").bindparams(bindparam("counts", type_=JSONB))

# A shared lock is enough to keep the batch from being closed, which needs an exclusive one, and
# lets many transactions add jobs to one batch at the same time.
_LOCK_OPEN = text(f"""
    SELECT completed_at FROM {SCHEMA}.batch_jobs WHERE id = :id FOR SHARE
""")

_REOPEN = text(f"""
    UPDATE {SCHEMA}.batch_jobs
    SET status = NULL, counts = NULL, completed_at = NULL, cancel_requested = false
    WHERE id = :id
""")

# The order of ids keeps two transactions that cancel the same jobs from a deadlock. The fence of a
# running job stays, because its own run still has to settle it.
_CANCEL_JOBS = text(f"""
    WITH unfinished AS (
        SELECT id FROM {SCHEMA}.marketplace_jobs
        WHERE batch_job_id = :id AND status = ANY(:sources)
        ORDER BY id FOR UPDATE
    )
    UPDATE {SCHEMA}.marketplace_jobs AS job
    SET cancel_requested = true,
        status = CASE WHEN job.status = 'running' THEN job.status ELSE :target END,
        fence = job.fence + CAST(job.status <> 'running' AS int),
        completed_at = CASE WHEN job.status <> 'running' THEN clock_timestamp() END,
        waiting_reason = CASE WHEN job.status = 'running' THEN job.waiting_reason END
    FROM unfinished
    WHERE job.id = unfinished.id AND job.status = ANY(:sources)
    RETURNING job.id, job.status
""")

_ASK_TO_CANCEL = text(f"""
    UPDATE {SCHEMA}.batch_jobs SET cancel_requested = true WHERE id = :id AND completed_at IS NULL
""")

_MISSING_PRODUCTS = text(f"""
    SELECT wanted.id FROM unnest(CAST(:ids AS bigint[])) WITH ORDINALITY AS wanted (id, position)
    WHERE NOT EXISTS (
        SELECT 1 FROM {SCHEMA}.products AS product
        WHERE product.id = wanted.id AND product.user_id = :user_id
    )
    ORDER BY wanted.position
""")

# Jobs refer to their batch, and the housekeeper removes them first, in small groups. A batch of
# which jobs remain goes in a later sweep.
_PRUNE = text(f"""
    DELETE FROM {SCHEMA}.batch_jobs WHERE id IN (
        SELECT id FROM {SCHEMA}.batch_jobs AS batch
        WHERE completed_at < now() - CAST(:retention AS interval) AND NOT EXISTS (
            SELECT 1 FROM {SCHEMA}.marketplace_jobs AS job WHERE job.batch_job_id = batch.id
        )
        ORDER BY completed_at LIMIT :limit
        FOR UPDATE SKIP LOCKED
    )
    RETURNING id
""")

_IS_UNFINISHED = exists().where(
    MarketplaceJob.batch_job_id == BatchJob.id,
    MarketplaceJob.status.in_([status.value for status in JobStatus if status not in FINAL]),
)

BatchRow = tuple[BatchJob, str]
"""A batch with the code of its action."""


def insert_batch(
    session: Session, marketplace: str, action_type_id: int, user_id: int, priority: int
) -> int:
    """Insert a batch without jobs; returns its id."""
    statement = insert(BatchJob).values(
        marketplace=marketplace,
        action_type_id=action_type_id,
        created_by_user_id=user_id,
        priority=priority,
    )
    return session.execute(statement.returning(BatchJob.id)).scalar_one()


def batch_by_id(session: Session, batch_id: int) -> BatchRow | None:
    """Return the batch as the database has it now."""
    # PostgreSQL raises an error for a larger number, although it is just a batch that is not there.
    if not 0 < batch_id <= LARGEST_ID:
        return None
    row = session.execute(_with_codes().where(BatchJob.id == batch_id)).one_or_none()
    return None if row is None else (row[0], row[1])


def batch_rows(
    session: Session, *, marketplace: str | None, only_open: bool, limit: int
) -> list[BatchRow]:
    """Return batches, the newest first."""
    query = _with_codes()
    if marketplace is not None:
        query = query.where(BatchJob.marketplace == marketplace)
    if only_open:
        # A batch whose jobs have ended is over, even if nobody has closed it yet.
        query = query.where(BatchJob.completed_at.is_(None), _IS_UNFINISHED)
    rows = session.execute(query.order_by(BatchJob.id.desc()).limit(limit))
    return [(batch, code) for batch, code in rows]


def count_jobs(session: Session, batch_ids: Collection[int]) -> dict[int, BatchCounts]:
    """Return the counts of each batch's jobs by status, as of now."""
    numbers: dict[int, dict[str, int]] = defaultdict(dict)
    if batch_ids:
        for batch_id, status, number in session.execute(_COUNTS, {"ids": list(batch_ids)}):
            numbers[batch_id][status] = number
    return {batch_id: BatchCounts(**numbers[batch_id]) for batch_id in batch_ids}


def close_ended(session: Session, batch_ids: Iterable[int | None] | None = None) -> int:
    """Close the batches whose jobs have all ended; waits for no lock.

    Args:
        batch_ids: the batches to look at; None stands for all.

    Returns:
        The number of batches that were closed.
    """
    ids = None if batch_ids is None else sorted({one for one in batch_ids if one is not None})
    if ids == []:
        return 0
    asked: dict[int, bool] = dict(session.execute(_LOCK_ENDED, {"ids": ids}).all())
    # The jobs are counted under the lock, because a transaction that adds a job, or runs one
    # again, holds the lock of the batch until it ends.
    closed = [
        _closed(batch_id, counts, asked[batch_id])
        for batch_id, counts in count_jobs(session, asked).items()
        if not counts.unfinished
    ]
    if closed:
        session.execute(_CLOSE, closed)
    return len(closed)


def lock_open(session: Session, batch_id: int) -> None:
    """Lock the batch until this transaction ends, and open it again if it is closed."""
    if session.execute(_LOCK_OPEN, {"id": batch_id}).scalar() is not None:
        session.execute(_REOPEN, {"id": batch_id})


def cancel_jobs(session: Session, batch_id: int) -> None:
    """Cancel the unfinished jobs of a batch; the services end those that run."""
    values = {
        "id": batch_id,
        "sources": sources(JobEvent.CANCEL),
        "target": target(JobEvent.CANCEL).value,
    }
    for job_id, status in session.execute(_CANCEL_JOBS, values).all():
        if status == JobStatus.RUNNING:
            notify(session, CANCEL_CHANNEL, str(job_id))
    session.execute(_ASK_TO_CANCEL, {"id": batch_id})
    close_ended(session, [batch_id])


def missing_products(session: Session, user_id: int, product_ids: Sequence[int]) -> list[int]:
    """Return those of the products that the seller does not have, in the order given."""
    values = {"ids": list(product_ids), "user_id": user_id}
    return list(session.scalars(_MISSING_PRODUCTS, values))


def prune_batches(session: Session, retention: timedelta, limit: int) -> int:
    """Remove batches that have been over for that long, and whose jobs are gone."""
    return len(session.execute(_PRUNE, {"retention": retention, "limit": limit}).all())


def _closed(batch_id: int, counts: BatchCounts, cancel_requested: bool) -> dict[str, Any]:
    status = batch_status(counts, cancel_requested=cancel_requested)
    return {"id": batch_id, "status": status.value, "counts": counts.as_json()}


def _with_codes() -> Any:
    return (
        select(BatchJob, MarketplaceActionType.code)
        .join(MarketplaceActionType, MarketplaceActionType.id == BatchJob.action_type_id)
        # The session may have read the row before, and services change it behind the session's
        # back.
        .execution_options(populate_existing=True)
    )
