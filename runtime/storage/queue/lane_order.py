"""The order in which the jobs of lanes are claimed, as SQL; every query that ranks jobs uses it.

Jobs are ranked by their urgency (:func:`runtime.waiting.urgency.urgency`). Among equally urgent
jobs the priorities of a lane alternate, beginning behind the priority that was served last; within
a priority the older job is first. Jobs of one (shop, product) run one at a time, in the order of
their ids.

Priorities alternate because critical must not be strictly ahead: a job that has waited long
enough is as urgent as a critical one, or a stream of critical jobs could starve it.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from runtime.storage.models import SCHEMA

# Without this bound a claim would walk over the whole backlog of a shop whose jobs all wait for the
# same product, and it would do so again at every claim.
LOOK = 500
"""A claim looks at so many due jobs of one shop and priority to find one that is not blocked."""

WANTED = """
    SELECT * FROM unnest(
        CAST(:lanes AS bigint[]), CAST(:shops AS bigint[]), CAST(:rooms AS int[]),
        CAST(:afters AS int[]), CAST(:named AS int[]), CAST(:worst AS int[]),
        CAST(:turns AS int[])
    ) AS wanted (lane, shop_id, room, after, named, worst, turn)
"""

# The inner ``greatest`` is for a job that is not due yet, which ``jobs_before`` ranks as well: its
# age would be negative, and its urgency worse than its priority. The outer one stops the rise at
# the urgency of critical jobs, or a job that is old enough would be ahead of all of them for ever.
URGENCY = """
    CAST(greatest(1, priority - floor(
        greatest(0, extract(epoch FROM now() - run_at))
        / extract(epoch FROM CAST(:aging AS interval))
    )) AS int)
"""

# A job that has started occupies its product until it is over, however long it waits in between.
# A job that never started and is scheduled for later lets others pass.
CLAIMABLE = f"""
    (due.product_key IS NULL OR NOT EXISTS (
        SELECT 1 FROM {SCHEMA}.marketplace_jobs AS other
        WHERE other.shop_id = due.shop_id AND other.product_key = due.product_key
            AND other.status IN ('pending', 'running', 'paused') AND other.id <> due.id
            AND (other.status = 'running' OR other.id < due.id AND (
                other.status = 'paused' OR other.started_at IS NOT NULL OR other.run_at <= now()
            ))
    ))
"""

DUE = f"""
    SELECT id, shop_id, run_at, product_key FROM {SCHEMA}.marketplace_jobs
    WHERE marketplace = :marketplace AND shop_id = wanted.shop_id
        AND status = 'pending' AND priority = given.priority AND run_at <= now()
    ORDER BY run_at, id
    LIMIT {LOOK}
"""
"""The due jobs of one ``wanted`` shop and one ``given`` priority."""

# ``nth`` lets the priorities of one urgency alternate: the first of each goes before the second of
# any.
# The term with the remainder is 0 for the priority behind the one served last and 3 for the one
# served last; the 3 keeps the difference from being negative, whose remainder SQL leaves so.
RANKED = f"""
    SELECT *, row_number() OVER (
        PARTITION BY lane ORDER BY urgency, nth, (priority - after + 3) % 4, run_at, id
    ) AS position
    FROM (
        SELECT *, row_number() OVER (
            PARTITION BY lane, urgency, priority ORDER BY run_at, id
        ) AS nth
        FROM (SELECT *, {URGENCY} AS urgency FROM heads) AS rated
    ) AS counted
"""
"""The jobs of ``heads``, each with its urgency and its position within its lane."""

# The heads end at ``:most + 1`` for each priority. A job behind that end would be ranked as if
# nothing stood between, so the number of older jobs of its priority is counted first, up to the
# same bound. UNION without ALL, because the job itself is one of the heads if it is due.
_PLACE = text(f"""
    WITH job AS (
        SELECT id, marketplace, shop_id, priority, run_at FROM {SCHEMA}.marketplace_jobs
        WHERE id = :job_id AND status = 'pending'
    ),
    wanted AS (SELECT shop_id FROM unnest(CAST(:shops AS bigint[])) AS wanted (shop_id)),
    heads AS (
        SELECT 0 AS lane, job.priority AS after, head.id, given.priority, head.run_at
        FROM wanted
        CROSS JOIN job
        CROSS JOIN generate_series(1, 4) AS given (priority)
        CROSS JOIN LATERAL (
            SELECT due.id, due.run_at FROM (
                SELECT id, shop_id, run_at, product_key FROM {SCHEMA}.marketplace_jobs
                WHERE marketplace = (SELECT marketplace FROM job) AND shop_id = wanted.shop_id
                    AND status = 'pending' AND priority = given.priority AND run_at <= now()
                ORDER BY run_at, id
                LIMIT :most + 1
            ) AS due
            WHERE {CLAIMABLE}
        ) AS head
        UNION
        SELECT 0, priority, id, priority, run_at FROM job
    )
    SELECT CASE
        WHEN (
            SELECT count(*) FROM (
                SELECT 1 FROM {SCHEMA}.marketplace_jobs AS older, job
                WHERE older.marketplace = job.marketplace AND older.shop_id = job.shop_id
                    AND older.status = 'pending' AND older.priority = job.priority
                    AND older.run_at <= least(job.run_at, now())
                LIMIT :most + 2
            ) AS counted
        ) > :most + 1 THEN :most + 1
        ELSE position - 1 END
    FROM ({RANKED}) AS ranked JOIN job ON job.id = ranked.id
""")


def jobs_before(
    session: Session, job_id: int, shop_ids: Sequence[int], aging: timedelta, most: int = 1000
) -> int | None:
    """Return how many due jobs of its lane may be claimed before a pending job, as of now.

    Only the actor knows which priority of the lane was served last, so it is assumed to be the
    job's own: the number is rather too high than too low. Jobs that wait for another job of their
    product are not counted, and more urgent jobs that are created later cannot be.

    Args:
        shop_ids: the shops of the lane, among them the job's own.
        aging: the time that a job waits until its urgency rises by one.
        most: the number at which counting ends.

    Returns:
        The number, or ``most + 1`` if it is larger than ``most``; None if the job is not pending.
    """
    parameters = {"job_id": job_id, "shops": list(shop_ids), "aging": aging, "most": most}
    before: int | None = session.scalar(_PLACE, parameters)
    return None if before is None else min(before, most + 1)
