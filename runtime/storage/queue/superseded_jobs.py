"""Finds jobs of one product that supersede or exclude each other."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from runtime.runs.job_states import FINAL, JobEvent, JobStatus, sources, target
from runtime.storage.models import SCHEMA, MarketplaceJob
from runtime.storage.queue.batch_rows import close_ended

_NEVER_STARTED = [status for status in sources(JobEvent.CANCEL) if status != JobStatus.RUNNING]
_UNFINISHED = [status.value for status in JobStatus if status not in FINAL]

# SKIP LOCKED: a job that a claim or an application's open transaction locks is not withdrawn; it
# runs, and the new job runs after it. A job that is scheduled for later withdraws no job that is
# to run before it.
_WITHDRAW = text(f"""
    WITH newer AS (
        SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:keys AS text[])) AS newer (id, key)
    ),
    withdrawn AS (
        SELECT job.id, newer.id AS successor
        FROM newer
        JOIN {SCHEMA}.marketplace_jobs AS job
            ON job.shop_id = :shop_id AND job.product_key = newer.key AND job.id < newer.id
        JOIN public.marketplace_action_types AS action_type ON action_type.id = job.action_type_id
        WHERE job.status = ANY(:statuses) AND job.status IN ('pending', 'running', 'paused')
            AND job.started_at IS NULL AND action_type.code = ANY(:actions)
            AND (CAST(:run_at AS timestamptz) <= now() OR job.run_at >= :run_at)
        FOR UPDATE OF job SKIP LOCKED
    )
    UPDATE {SCHEMA}.marketplace_jobs AS job
    SET status = :target, superseded_by = withdrawn.successor, fence = job.fence + 1,
        completed_at = clock_timestamp(), waiting_reason = NULL,
        error_message = 'withdrawn before it started: job ' || withdrawn.successor || ', '
            || CASE WHEN :action = 'update' THEN 'a newer update' ELSE 'a delete' END
            || ' of the same product, takes its place'
    FROM withdrawn
    WHERE job.id = withdrawn.id AND job.status = ANY(:statuses) AND job.started_at IS NULL
    RETURNING job.batch_job_id
""")

_LOCK = text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS key")

# A delete that runs before then makes room for a publish that was created after it.
_STANDING = text(f"""
    WITH wanted AS (SELECT unnest(CAST(:keys AS text[])) AS key),
    job AS (
        SELECT job.id, job.product_key, action_type.code
        FROM {SCHEMA}.marketplace_jobs AS job
        JOIN public.marketplace_action_types AS action_type ON action_type.id = job.action_type_id
        WHERE job.shop_id = :shop_id AND job.product_key IN (SELECT key FROM wanted)
            AND job.status = ANY(:unfinished) AND job.status IN ('pending', 'running', 'paused')
            AND (action_type.code = 'publish' OR action_type.code = 'delete' AND (
                job.started_at IS NOT NULL
                OR job.run_at <= greatest(now(), CAST(:run_at AS timestamptz))))
    )
    SELECT wanted.key,
        (
            SELECT min(listing.id) FROM {SCHEMA}.listings AS listing
            WHERE listing.shop_id = :shop_id AND listing.product_key = wanted.key
                AND listing.status = 'live' AND NOT EXISTS (
                    SELECT 1 FROM job WHERE job.product_key = wanted.key AND job.code = 'delete')
        ),
        (
            SELECT min(job.id) FROM job
            WHERE job.product_key = wanted.key AND job.code = 'publish' AND NOT EXISTS (
                SELECT 1 FROM job AS later
                WHERE later.product_key = wanted.key AND later.code = 'delete'
                    AND later.id > job.id)
        )
    FROM wanted
""")

_BUCKETS = 64
"""The number of locks of a shop, each of which is shared by many products.

One lock for each product would let a large batch fill PostgreSQL's lock table. An advisory lock
and not a unique index keeps a second publish out: an index would have to know of listings, of
deletes between two publishes and of ``force``."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The reason why a product cannot be published now.

    Attributes:
        listing_id: the product's live listing, or None.
        job_id: the unfinished job that publishes it, or None.
    """

    product_key: str
    listing_id: int | None
    job_id: int | None


def withdraw_older(
    session: Session, created: Sequence[MarketplaceJob], action: str, withdrawn: Collection[str]
) -> int:
    """Withdraw older jobs of the same shop and products that never started.

    Args:
        created: the new jobs, all of one action, one shop and one time to run.
        withdrawn: the actions of the older jobs.

    Returns:
        The number of jobs that were withdrawn.
    """
    (first, *_) = created
    values = {
        "ids": [job.id for job in created],
        "keys": [job.product_key for job in created],
        "shop_id": first.shop_id,
        "run_at": first.run_at,
        "action": action,
        "actions": list(withdrawn),
        "statuses": _NEVER_STARTED,
        "target": target(JobEvent.CANCEL).value,
    }
    of_batches = session.scalars(_WITHDRAW, values).all()
    close_ended(session, of_batches)
    return len(of_batches)


def lock_products(session: Session, shop_id: int, keys: Collection[str]) -> None:
    """Let no other transaction check whether these products may be published until this ends."""
    buckets = {_digest(key) % _BUCKETS for key in keys}
    # All transactions lock in this order, so that two batches cannot wait for each other.
    locks = sorted(_digest(f"publish:{shop_id}:{bucket}") for bucket in buckets)
    session.execute(_LOCK, {"keys": locks})


def standing(
    session: Session, shop_id: int, keys: Collection[str], run_at: datetime | None
) -> list[Standing]:
    """Return the listings and jobs that forbid publishing these products now, or at that time."""
    values: Mapping[str, object] = {
        "shop_id": shop_id,
        "keys": list(keys),
        "run_at": run_at,
        "unfinished": _UNFINISHED,
    }
    rows = [Standing(*row) for row in session.execute(_STANDING, values)]
    return [one for one in rows if one.listing_id is not None or one.job_id is not None]


def _digest(value: str) -> int:
    return int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest(), signed=True)
