"""Finds lanes with work, and claims jobs for lanes that have room.

A claim names its lanes, so that its cost depends on their number and not on the number of
waiting jobs. For each shop and each priority it reads the head of the partial index
``ix_marketplace_jobs_claim``, so that it does not walk over jobs that are scheduled for later.

A claimed job starts at once, and nothing is prefetched. So there is no state between pending and
running, and priorities decide at the last moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from runtime.errors import DatabaseUnavailable
from runtime.messages import Head, LaneHeads, LaneRequest, LaneShop
from runtime.runs.job import Job, Shop
from runtime.runs.job_states import JobEvent, sources, target
from runtime.runs.journal import RecordedStep
from runtime.storage.models import SCHEMA
from runtime.storage.queue.journal_rows import load_journals
from runtime.storage.queue.lane_order import CLAIMABLE, DUE, RANKED, WANTED
from runtime.waiting.urgency import DEFAULT_AGING

# SKIP LOCKED, because a job that an application's open transaction locks must not hold up the
# others. The statement also takes the snapshot of the product at the job's first start.
# Each lane brings at most its room of heads from every priority, because it cannot take more of one
# priority than it has room for. Thus the sort is small however long the backlog is. ``named <
# urgency`` puts a lane that was named for a better one behind those whose turn it is. The status is
# asked again where rows are locked: a claim that was committed since this statement began has
# changed it, and PostgreSQL checks the condition on the newest version. The fence rises with every
# claim, so that statements of an earlier run match no row any more. ``started_at`` and the snapshot
# stay those of the first start: a started job occupies its product, and a later run must send the
# product that the first run sent.
_CLAIM = text(f"""
    WITH wanted AS ({WANTED}),
    heads AS (
        SELECT wanted.*, given.priority, head.*
        FROM wanted
        CROSS JOIN generate_series(1, 4) AS given (priority)
        CROSS JOIN LATERAL (
            SELECT due.id, due.run_at FROM ({DUE}) AS due
            WHERE {CLAIMABLE}
            ORDER BY due.run_at, due.id
            LIMIT wanted.room
        ) AS head
    ),
    ranked AS ({RANKED}),
    picked AS (
        SELECT id, urgency FROM ranked WHERE position <= room AND urgency <= worst
        ORDER BY urgency, position, named < urgency, turn, run_at, id
        LIMIT :limit
    ),
    locked AS (
        SELECT job.id, picked.urgency, product.data AS product
        FROM {SCHEMA}.marketplace_jobs AS job
        JOIN picked ON picked.id = job.id
        LEFT JOIN {SCHEMA}.products AS product ON product.id = job.product_id
        WHERE job.status = ANY(:sources)
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
    RETURNING job.id, locked.urgency, job.fence, job.marketplace, action_type.code, job.user_id,
        job.priority, job.retry_count, job.max_retries, job.product_id, job.input_data,
        job.cancel_requested, job.product_snapshot, job.created_at,
        now() - job.run_at AS waited,
        action_type.rate_limit_ms, action_type.timeout_seconds,
        shop.id AS shop_id, shop.external_id, shop.name, shop.settings
""")

# The first job of each shop and priority is enough, because it tells when that priority has work.
# Times are given as durations from clock_timestamp(), because the actor counts them on its own
# clock, and now() is the start of a transaction in which the claim itself has taken its time.
_WAITING = text(f"""
    WITH wanted AS ({WANTED})
    SELECT wanted.lane, given.priority,
        min(CASE WHEN first.blocked THEN other.run_at ELSE first.run_at END) - clock_timestamp(),
        min(first.run_at) FILTER (WHERE first.blocked) - clock_timestamp()
    FROM wanted
    CROSS JOIN generate_series(1, 4) AS given (priority)
    CROSS JOIN LATERAL (
        SELECT due.run_at, due.run_at <= now() AND NOT {CLAIMABLE} AS blocked
        FROM (
            SELECT id, shop_id, run_at, product_key FROM {SCHEMA}.marketplace_jobs
            WHERE marketplace = :marketplace AND shop_id = wanted.shop_id
                AND status = 'pending' AND priority = given.priority
            ORDER BY run_at, id
            LIMIT 1
        ) AS due
    ) AS first
    LEFT JOIN LATERAL (
        (
            SELECT due.run_at FROM ({DUE}) AS due
            WHERE first.blocked AND {CLAIMABLE}
            ORDER BY due.run_at, due.id
            LIMIT 1
        )
        UNION ALL
        (
            SELECT run_at FROM {SCHEMA}.marketplace_jobs
            WHERE first.blocked AND marketplace = :marketplace AND shop_id = wanted.shop_id
                AND status = 'pending' AND priority = given.priority AND run_at > now()
            ORDER BY run_at
            LIMIT 1
        )
    ) AS other ON true
    GROUP BY wanted.lane, given.priority
""")

# A loose index scan makes one probe for each shop and priority, however many jobs are pending.
_FIND_LANES = text(f"""
    WITH RECURSIVE head AS (
        (
            SELECT shop_id, priority, run_at FROM {SCHEMA}.marketplace_jobs
            WHERE marketplace = :marketplace AND status = 'pending'
            ORDER BY shop_id, priority, run_at, id LIMIT 1
        )
        UNION ALL
        SELECT next.* FROM head CROSS JOIN LATERAL (
            SELECT shop_id, priority, run_at FROM {SCHEMA}.marketplace_jobs
            WHERE marketplace = :marketplace AND status = 'pending'
                AND (shop_id, priority) > (head.shop_id, head.priority)
            ORDER BY shop_id, priority, run_at, id LIMIT 1
        ) AS next
    )
    SELECT head.shop_id, shop.user_id, head.priority, head.run_at - clock_timestamp()
    FROM head JOIN {SCHEMA}.shops AS shop ON shop.id = head.shop_id
""")


@dataclass(frozen=True, slots=True)
class Claim:
    """The result of a claim.

    Attributes:
        jobs: the claimed jobs, each under a new fence, the most urgent first.
        waiting: the first jobs that still wait in each of the lanes.
    """

    jobs: tuple[Job, ...]
    waiting: tuple[LaneHeads, ...]


def find_lanes(session: Session, marketplace: str) -> tuple[LaneShop, ...]:
    """Return the first pending job of each shop and priority of a marketplace, due or not."""
    rows = session.execute(_FIND_LANES, {"marketplace": marketplace})
    return tuple(LaneShop(*row) for row in rows)


def claim_jobs(
    session: Session,
    marketplace: str,
    lanes: Sequence[LaneRequest],
    limit: int,
    node_id: int,
    aging: timedelta = DEFAULT_AGING,
) -> Claim:
    """Claim up to ``limit`` due jobs: ``room`` at most for each lane, none below its worst urgency.

    Raises:
        DatabaseUnavailable: another claim took a job of the same product at the same moment;
            nothing was claimed.
    """
    # A lane names its shops, because a seller's browser serves all shops of the seller; the claim
    # itself reads one index by shop.
    wanted = {**_wanted(lanes), "marketplace": marketplace}
    parameters = {
        "limit": limit,
        "node_id": node_id,
        "aging": aging,
        "sources": sources(JobEvent.CLAIM),
        "target": target(JobEvent.CLAIM).value,
    }
    try:
        rows = session.execute(_CLAIM, wanted | parameters).all()
    except IntegrityError as error:
        # Two claims that did not see each other took jobs of one product, and the unique index
        # let only the first of them through. The actor asks again as after a lost connection.
        raise DatabaseUnavailable(
            "another claim took a job of the same product at the same moment"
        ) from error
    # A job that is claimed for the first time (fence 1) has no journal yet.
    journals = load_journals(session, [row.id for row in rows if row.fence > 1])
    # RETURNING promises no order, and the actor starts the jobs in the order in which it gets them.
    ordered = sorted(rows, key=lambda row: (row.urgency, row.id))
    jobs = tuple(_job(row, journals.get(row.id, ())) for row in ordered)
    return Claim(jobs, _still_waiting(session, wanted))


def _still_waiting(session: Session, wanted: dict[str, Any]) -> tuple[LaneHeads, ...]:
    # A lane without any job has an entry as well: the actor learns from it that the lane is empty,
    # while a lane that is missing would keep the heads that the actor knew before.
    heads: dict[int, list[Head]] = {lane: [] for lane in wanted["lanes"]}
    for lane, priority, due_in, blocked_for in session.execute(_WAITING, wanted):
        if due_in is not None:
            heads[lane].append(Head(priority, due_in))
        if blocked_for is not None:
            heads[lane].append(Head(priority, blocked_for, blocked=True))
    return tuple(LaneHeads(lane, tuple(found)) for lane, found in heads.items())


def _wanted(lanes: Sequence[LaneRequest]) -> dict[str, Any]:
    pairs = [(turn, lane, shop_id) for turn, lane in enumerate(lanes) for shop_id in lane.shop_ids]
    return {
        "lanes": [lane.lane for _, lane, _ in pairs],
        "shops": [shop_id for _, _, shop_id in pairs],
        "rooms": [lane.room for _, lane, _ in pairs],
        "afters": [lane.after for _, lane, _ in pairs],
        "named": [lane.urgency for _, lane, _ in pairs],
        "worst": [lane.worst for _, lane, _ in pairs],
        "turns": [turn for turn, _, _ in pairs],
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
        waited=row.waited,
        product_id=row.product_id,
        input_data=row.input_data,
        product=row.product_snapshot,
        cancel_requested=row.cancel_requested,
        journal=tuple(journal),
    )
