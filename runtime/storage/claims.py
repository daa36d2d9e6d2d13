"""Finding lanes with work, and claiming jobs for lanes that have room.

The claim is made for named lanes, so that its cost depends on what is asked for and not on
how many jobs wait. It reads, for each shop and each priority, the head of the partial index
``ix_marketplace_jobs_claim``; jobs that are scheduled for later are not walked over.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from runtime.job import Job, Shop
from runtime.journal import RecordedStep
from runtime.messages import LaneRequest, LaneShop
from runtime.states import JobEvent, sources, target
from runtime.storage.journal import load_journals
from runtime.storage.models import SCHEMA

_WANTED = """
    SELECT * FROM unnest(
        CAST(:lanes AS bigint[]), CAST(:shops AS bigint[]), CAST(:rooms AS int[])
    ) AS wanted (lane, shop_id, room)
"""

# SKIP LOCKED: a job that an application's open transaction holds must not hold up the others.
_CLAIM = text(f"""
    WITH wanted AS ({_WANTED}),
    heads AS (
        SELECT wanted.lane, wanted.room, head.*
        FROM wanted
        CROSS JOIN generate_series(1, 4) AS level (priority)
        CROSS JOIN LATERAL (
            SELECT id, priority, run_at
            FROM {SCHEMA}.marketplace_jobs
            WHERE marketplace = :marketplace AND shop_id = wanted.shop_id
                AND status = 'pending' AND priority = level.priority AND run_at <= now()
            ORDER BY run_at, id
            LIMIT wanted.room
        ) AS head
    ),
    ranked AS (
        SELECT *, row_number() OVER (PARTITION BY lane ORDER BY priority, run_at, id) AS place
        FROM heads
    ),
    picked AS (
        SELECT id FROM ranked WHERE place <= room
        ORDER BY priority, place, run_at, id
        LIMIT :limit
    ),
    locked AS (
        SELECT job.id, product.data AS product
        FROM {SCHEMA}.marketplace_jobs AS job
        LEFT JOIN {SCHEMA}.products AS product ON product.id = job.product_id
        WHERE job.id IN (SELECT id FROM picked) AND job.status = ANY(:sources)
        FOR UPDATE OF job SKIP LOCKED
    )
    UPDATE {SCHEMA}.marketplace_jobs AS job
    SET status = :target, node_id = :node_id, fence = job.fence + 1, waiting_reason = NULL,
        started_at = coalesce(job.started_at, now()),
        product_snapshot = coalesce(
            job.product_snapshot, nullif(job.input_data -> 'product', 'null'), locked.product
        )
    FROM locked, public.marketplace_action_types AS action_type, {SCHEMA}.shops AS shop
    WHERE job.id = locked.id AND action_type.id = job.action_type_id AND shop.id = job.shop_id
    RETURNING job.id, job.fence, job.marketplace, action_type.code, job.user_id, job.priority,
        job.retry_count, job.max_retries, job.product_id, job.input_data, job.cancel_requested,
        job.product_snapshot, job.created_at,
        action_type.rate_limit_ms, action_type.timeout_seconds,
        shop.id AS shop_id, shop.external_id, shop.name, shop.settings
""")

_NEXT_DUE = text(f"""
    WITH wanted AS ({_WANTED})
    SELECT wanted.lane, min(head.run_at) - clock_timestamp()
    FROM wanted
    LEFT JOIN generate_series(1, 4) AS level (priority) ON true
    LEFT JOIN LATERAL (
        SELECT run_at
        FROM {SCHEMA}.marketplace_jobs
        WHERE marketplace = :marketplace AND shop_id = wanted.shop_id
            AND status = 'pending' AND priority = level.priority
        ORDER BY run_at, id
        LIMIT 1
    ) AS head ON true
    GROUP BY wanted.lane
""")

# A loose index scan: one probe for each shop that has pending jobs, however many it has.
_FIND_LANES = text(f"""
    WITH RECURSIVE lane AS (
        (
            SELECT shop_id FROM {SCHEMA}.marketplace_jobs
            WHERE marketplace = :marketplace AND status = 'pending'
            ORDER BY shop_id LIMIT 1
        )
        UNION ALL
        SELECT (
            SELECT shop_id FROM {SCHEMA}.marketplace_jobs
            WHERE marketplace = :marketplace AND status = 'pending' AND shop_id > lane.shop_id
            ORDER BY shop_id LIMIT 1
        )
        FROM lane WHERE lane.shop_id IS NOT NULL
    )
    SELECT lane.shop_id, shop.user_id
    FROM lane JOIN {SCHEMA}.shops AS shop ON shop.id = lane.shop_id
""")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim brought.

    Attributes:
        jobs: each under a new fence, most urgent first.
        exhausted: lanes without further due jobs, and the time until their next (None: none).
    """

    jobs: tuple[Job, ...]
    exhausted: tuple[tuple[int, timedelta | None], ...]


def find_lanes(session: Session, marketplace: str) -> tuple[LaneShop, ...]:
    """The shops of a marketplace that have pending jobs, due or not."""
    rows = session.execute(_FIND_LANES, {"marketplace": marketplace})
    return tuple(LaneShop(shop_id, user_id) for shop_id, user_id in rows)


def claim_jobs(
    session: Session,
    marketplace: str,
    lanes: Sequence[LaneRequest],
    limit: int,
    node_id: int,
) -> Claim:
    """Claim up to ``limit`` due jobs, at most ``room`` for each lane."""
    rows = session.execute(
        _CLAIM,
        {
            **_wanted(lanes),
            "marketplace": marketplace,
            "limit": limit,
            "node_id": node_id,
            "sources": sources(JobEvent.CLAIM),
            "target": target(JobEvent.CLAIM).value,
        },
    ).all()
    # A job that is claimed for the first time has no past.
    journals = load_journals(session, [row.id for row in rows if row.fence > 1])
    jobs = tuple(
        sorted(
            (_job(row, journals.get(row.id, ())) for row in rows),
            key=lambda job: (job.priority, job.id),
        )
    )
    if len(jobs) == limit:
        return Claim(jobs, ())
    lane_of_shop = {shop: lane.lane for lane in lanes for shop in lane.shop_ids}
    claimed = Counter(lane_of_shop[job.shop.id] for job in jobs)
    short = [lane for lane in lanes if claimed[lane.lane] < lane.room]
    if not short:
        return Claim(jobs, ())
    due = session.execute(_NEXT_DUE, {**_wanted(short), "marketplace": marketplace})
    return Claim(jobs, tuple((lane, delay) for lane, delay in due))


def _wanted(lanes: Sequence[LaneRequest]) -> dict[str, Any]:
    pairs = [(lane, shop_id) for lane in lanes for shop_id in lane.shop_ids]
    return {
        "lanes": [lane.lane for lane, _ in pairs],
        "shops": [shop_id for _, shop_id in pairs],
        "rooms": [lane.room for lane, _ in pairs],
    }


def _job(row: Row[Any], journal: Sequence[RecordedStep]) -> Job:
    return Job(
        id=row.id,
        fence=row.fence,
        marketplace=row.marketplace,
        action=row.code,
        user_id=row.user_id,
        shop=Shop(row.shop_id, row.external_id, row.name, row.settings),
        priority=row.priority,
        retry_count=row.retry_count,
        max_retries=row.max_retries,
        rate_limit=timedelta(milliseconds=row.rate_limit_ms),
        timeout=timedelta(seconds=row.timeout_seconds),
        created_at=row.created_at,
        product_id=row.product_id,
        input_data=row.input_data,
        product=row.product_snapshot,
        cancel_requested=row.cancel_requested,
        journal=tuple(journal),
    )
