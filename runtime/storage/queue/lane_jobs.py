"""Finds the jobs that a job waits for: those of its product, and those of its lane."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from runtime.runs.job_states import JobStatus
from runtime.storage.models import SCHEMA, MarketplaceJob
from runtime.waiting.lane_policy import LanePolicy
from runtime.waiting.obstacles import OtherJob

MOST_NAMED = 20

_LANE_SHOPS = text(f"""
    SELECT id FROM {SCHEMA}.shops
    WHERE marketplace = :marketplace AND user_id = :user_id ORDER BY id
""")

# This is the rule by which a claim passes over a job (CLAIMABLE), for a single job.
_SAME_PRODUCT = text(f"""
    SELECT other.id, action_type.code, other.status
    FROM {SCHEMA}.marketplace_jobs AS other
    JOIN public.marketplace_action_types AS action_type ON action_type.id = other.action_type_id
    WHERE other.shop_id = :shop_id AND other.product_key = :product_key
        AND other.status IN ('pending', 'running', 'paused') AND other.id <> :job_id
        AND (other.status = 'running' OR other.id < :job_id AND (
            other.status = 'paused' OR other.started_at IS NOT NULL OR other.run_at <= now()
        ))
    ORDER BY other.status = 'running' DESC, other.id
    LIMIT 1
""")

_RUNNING = text(f"""
    SELECT job.id, action_type.code, job.status
    FROM {SCHEMA}.marketplace_jobs AS job
    JOIN public.marketplace_action_types AS action_type ON action_type.id = job.action_type_id
    WHERE job.status = 'running' AND job.marketplace = :marketplace
        AND job.shop_id = ANY(:shop_ids) AND job.id <> :job_id
    ORDER BY job.started_at, job.id
    LIMIT {MOST_NAMED}
""")


def lane_shops(session: Session, job: MarketplaceJob, lanes: LanePolicy) -> list[int]:
    """Return the shops that share the job's lane; its own is one of them."""
    if not lanes.needs_seller:
        return [job.shop_id]
    values = {"marketplace": job.marketplace, "user_id": job.user_id}
    return list(session.scalars(_LANE_SHOPS, values))


def same_product(session: Session, job: MarketplaceJob) -> OtherJob | None:
    """Return the first job of the same product and shop that has to end before this one."""
    if job.product_key is None:
        return None
    values = {"shop_id": job.shop_id, "product_key": job.product_key, "job_id": job.id}
    row = session.execute(_SAME_PRODUCT, values).first()
    return None if row is None else _other(row)


def running_in_lane(
    session: Session, job: MarketplaceJob, shop_ids: Sequence[int]
) -> tuple[OtherJob, ...]:
    """Return the running jobs of the lane, the oldest first; at most ``MOST_NAMED``."""
    values = {"marketplace": job.marketplace, "shop_ids": list(shop_ids), "job_id": job.id}
    return tuple(_other(row) for row in session.execute(_RUNNING, values))


def _other(row: Row[Any]) -> OtherJob:
    return OtherJob(row.id, row.code, JobStatus(row.status))
