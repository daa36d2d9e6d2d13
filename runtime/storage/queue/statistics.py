"""Counts jobs for people."""

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from runtime.runs.job_states import JobStatus
from runtime.storage.models import MarketplaceJob


def count_jobs(session: Session, period: timedelta) -> dict[tuple[str, str], int]:
    """Return how many jobs were created in the period, by marketplace and status."""
    job = MarketplaceJob
    rows = session.execute(
        select(job.marketplace, job.status, func.count())
        .where(job.created_at >= func.now() - period)
        .group_by(job.marketplace, job.status)
    )
    return {(marketplace, status): number for marketplace, status, number in rows}


def count_by_marketplace(session: Session, status: JobStatus) -> dict[str, int]:
    """Return how many jobs have the status now; cheap for those that have an index of their own."""
    job = MarketplaceJob
    query = select(job.marketplace, func.count()).where(job.status == status)
    rows = session.execute(query.group_by(job.marketplace)).tuples()
    return dict(rows.all())


def mean_duration(session: Session, period: timedelta) -> timedelta | None:
    """Return how long jobs of the period took from their first start to their end."""
    job = MarketplaceJob
    return session.scalar(
        select(func.avg(job.completed_at - job.started_at)).where(
            job.created_at >= func.now() - period
        )
    )
