"""Expires jobs that did not start in time, but counts only the time in which they could start.

The time of a blocked job stands still. A sweep that finds the job blocked notes the moment; a
later sweep that finds it free moves ``expires_at`` on by the time between. A job is blocked while
it is paused, while its shop or a scope above is closed, or while the seller is away whose browser
it needs.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from runtime.rate_limits.closures import Level
from runtime.runs.job_states import JobEvent, target
from runtime.storage.models import SCHEMA
from runtime.storage.queue.batch_rows import close_ended
from runtime.storage.queue.job_rows import announce_end

SWEEP_INTERVAL = timedelta(minutes=1)

LARGEST = 2**31 - 1

_WIDE = f"'{Level.MARKETPLACE}', '{Level.APP_KEY}', '{Level.SHOP}'"

# There are few closures and sellers, but many jobs, so this finds the blocked shops first.
_BLOCKED = f"""
    WITH closed AS MATERIALIZED (
        SELECT marketplace, shop_id FROM {SCHEMA}.budget_closures
        WHERE level IN ({_WIDE}) AND (until IS NULL OR until > now())
    ),
    blocked AS MATERIALIZED (
        SELECT shop.id FROM {SCHEMA}.shops AS shop
        WHERE shop.marketplace = ANY(CAST(:needing_sellers AS text[])) AND NOT EXISTS (
                SELECT 1 FROM {SCHEMA}.browser_presence AS present
                WHERE present.user_id = shop.user_id
            )
            OR shop.id IN (SELECT shop_id FROM closed)
            OR shop.marketplace IN (SELECT marketplace FROM closed WHERE shop_id IS NULL)
    )
"""

_WAITS = """
    job.status = 'pending' AND job.started_at IS NULL AND job.expires_at IS NOT NULL
    AND (CAST(:marketplace AS text) IS NULL OR job.marketplace = :marketplace)
"""

# The job may have been blocked since the sweep before. Nobody knows, so the job gets that time.
_HOLD = text(f"""
    {_BLOCKED}
    UPDATE {SCHEMA}.marketplace_jobs
    SET expiry_held_since = greatest(created_at, now() - CAST(:interval AS interval))
    WHERE id IN (
        SELECT job.id FROM {SCHEMA}.marketplace_jobs AS job
        JOIN blocked ON blocked.id = job.shop_id
        WHERE {_WAITS} AND job.expiry_held_since IS NULL
        LIMIT :portion FOR UPDATE OF job SKIP LOCKED
    )
    RETURNING id
""")

_RESUME = text(f"""
    {_BLOCKED}
    UPDATE {SCHEMA}.marketplace_jobs
    SET expires_at = expires_at + (now() - expiry_held_since), expiry_held_since = NULL
    WHERE id IN (
        SELECT job.id FROM {SCHEMA}.marketplace_jobs AS job
        WHERE {_WAITS} AND job.expiry_held_since IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM blocked WHERE blocked.id = job.shop_id)
        LIMIT :portion FOR UPDATE OF job SKIP LOCKED
    )
    RETURNING id
""")

# ``expires_at`` is the time by which a job has to start. A job that has started once goes on to an
# end of its own, also while it is pending again for a retry. A job that a claim locks at this
# moment is starting, and is passed over.
_EXPIRE = text(f"""
    UPDATE {SCHEMA}.marketplace_jobs
    SET status = :target, completed_at = clock_timestamp(), waiting_reason = NULL,
        fence = fence + 1, error_message = 'it expired before it could start'
    WHERE id IN (
        SELECT job.id FROM {SCHEMA}.marketplace_jobs AS job
        WHERE {_WAITS} AND job.expiry_held_since IS NULL AND job.expires_at <= now()
        ORDER BY job.expires_at LIMIT :portion
        FOR UPDATE OF job SKIP LOCKED
    )
    RETURNING batch_job_id, product_key, marketplace, shop_id, user_id
""")


def hold_expiry(
    session: Session, needing_sellers: Sequence[str], portion: int, marketplace: str | None = None
) -> int:
    """Stop the time of one portion of blocked jobs; returns how many.

    Args:
        needing_sellers: the marketplaces whose jobs run only while their seller's browser is
            connected.
        marketplace: limits the sweep to the jobs of this marketplace.
    """
    values = {"interval": SWEEP_INTERVAL, "needing_sellers": list(needing_sellers)}
    return _changed(session, _HOLD, portion, marketplace, values)


def resume_expiry(
    session: Session, needing_sellers: Sequence[str], portion: int, marketplace: str | None = None
) -> int:
    """Let the time of one portion of jobs go on that are free again; returns how many."""
    values = {"needing_sellers": list(needing_sellers)}
    return _changed(session, _RESUME, portion, marketplace, values)


def expire_due(session: Session, portion: int, marketplace: str | None = None) -> int:
    """End one portion of jobs whose time is over; returns how many.

    :func:`hold_expiry` has to run before, or blocked jobs would expire, too.
    """
    values = {"target": target(JobEvent.EXPIRE).value}
    expired = _rows(session, _EXPIRE, portion, marketplace, values)
    for job in expired:
        announce_end(session, job)
    close_ended(session, [job.batch_job_id for job in expired])
    return len(expired)


def expire_jobs(session: Session, marketplace: str, needing_sellers: Sequence[str]) -> int:
    """Sweep over the jobs of one marketplace; returns how many expired."""
    # The same order as the housekeeper's: the time of blocked jobs is stopped before anything
    # expires, or a job that could not start would expire in this very sweep.
    hold_expiry(session, needing_sellers, LARGEST, marketplace)
    resume_expiry(session, needing_sellers, LARGEST, marketplace)
    return expire_due(session, LARGEST, marketplace)


def _changed(
    session: Session, statement: Any, portion: int, marketplace: str | None, values: dict[str, Any]
) -> int:
    return len(_rows(session, statement, portion, marketplace, values))


def _rows(
    session: Session, statement: Any, portion: int, marketplace: str | None, values: dict[str, Any]
) -> Sequence[Row[Any]]:
    given = {"portion": portion, "marketplace": marketplace, **values}
    return session.execute(statement, given).all()
