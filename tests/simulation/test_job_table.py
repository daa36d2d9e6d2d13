"""The table in memory claims what the database claims, so that the day cannot drift from it."""

import random
from datetime import timedelta

from sqlalchemy import text

from runtime.messages import LaneHeads, LaneRequest
from runtime.runs.job_states import JobStatus
from runtime.storage.models import SCHEMA
from runtime.storage.nodes.membership import register_node
from runtime.storage.queue.claims import claim_jobs, find_lanes
from runtime.storage.server.engine import Database
from tests.simulation.job_table import JobTable, SimulatedJob
from tests.support.database.job_rows import add_job, add_shop

AGING = timedelta(minutes=15)
STATUSES = [JobStatus.PENDING] * 12 + [JobStatus.RUNNING, JobStatus.PAUSED, JobStatus.COMPLETED]

_SET = text(f"""
    UPDATE {SCHEMA}.marketplace_jobs
    SET status = :status, product_key = :product, run_at = now() + :due_in,
        started_at = CASE WHEN :started THEN now() END
    WHERE id = :id
""")


def random_rows(
    database: Database, draw: random.Random, shops: dict[int, int]
) -> list[tuple[SimulatedJob, timedelta]]:
    """Committed rows, and when each falls due."""
    rows = []
    running = set()
    for _ in range(draw.choice([12, 70])):
        shop, priority = draw.choice(list(shops)), draw.randint(1, 4)
        product = draw.choice([None, None, "p:1", "p:2", "p:3"])
        status = draw.choice(STATUSES)
        if status is JobStatus.RUNNING and (product is None or (shop, product) in running):
            status = JobStatus.PENDING
        if status is JobStatus.RUNNING:
            running.add((shop, product))
        due_in = timedelta(minutes=draw.choice([-100, -47, -31, -20, -3, 4, 50]))
        due_in += timedelta(seconds=draw.uniform(-60, 60))
        job_id = add_job(database, shop, priority=priority)
        started = status is JobStatus.RUNNING or draw.random() < 0.1
        with database.session.begin() as session:
            values = {"id": job_id, "status": status.value, "product": product}
            session.execute(_SET, values | {"due_in": due_in, "started": started})
            found = session.execute(
                text(f"SELECT run_at, started_at FROM {SCHEMA}.marketplace_jobs WHERE id = :id"),
                {"id": job_id},
            ).one()
        row = SimulatedJob(
            id=job_id, marketplace="vinted", action="sync", user_id=shops[shop], shop_id=shop,
            priority=priority, product_key=product, status=status,
            run_at=found.run_at, created_at=found.run_at, started_at=found.started_at,
        )  # fmt: skip
        rows.append((row, due_in))
    return rows


def rounded(waiting: tuple[LaneHeads, ...]) -> dict[int, set[tuple[int, int, bool]]]:
    """Heads with their times to the second, for the two looked at slightly different moments."""
    return {
        one.lane: {(h.priority, round(h.due_in.total_seconds()), h.blocked) for h in one.heads}
        for one in waiting
    }


def test_the_table_in_memory_claims_what_the_database_claims(database: Database) -> None:
    draw = random.Random(5)
    for claims in range(8):
        users = [claims * 10 + n + 1 for n in range(3)]
        shops = {add_shop(database, user_id=user): user for user in users}
        rows = random_rows(database, draw, shops)
        table = JobTable()
        for row, _ in rows:
            table.add(row)
        with database.session.begin() as session:
            node = register_node(session)
        lanes = [
            LaneRequest(number, named, room=draw.randint(1, 9), after=draw.randint(0, 4),
                        urgency=draw.randint(1, 4), worst=draw.randint(1, 4))
            for number, named in ((1, tuple(shops)[:2]), (2, tuple(shops)[2:]))
        ]  # fmt: skip
        draw.shuffle(lanes)
        limit = draw.randint(1, 16)
        with database.session.begin() as session:
            now = session.scalar(text("SELECT now()"))
            claim = claim_jobs(session, "vinted", lanes, limit, node, AGING)
            found = [one for one in find_lanes(session, "vinted") if one.shop_id in shops]
        picked = table.pick(lanes, limit, now, AGING)
        assert {row.id for row in picked} == {job.id for job in claim.jobs}
        for row in picked:
            table.change(row, JobStatus.RUNNING)
            row.started_at = row.started_at or now
        ours, theirs = rounded(table.waiting(lanes, now)), rounded(claim.waiting)
        assert ours.keys() == theirs.keys()
        for lane, heads in ours.items():
            assert len(heads) == len(theirs[lane])
            for mine, other in zip(sorted(heads), sorted(theirs[lane]), strict=True):
                assert (mine[0], mine[2]) == (other[0], other[2])
                assert abs(mine[1] - other[1]) <= 1
        named = {(one.shop_id, one.user_id, one.priority) for one in found}
        assert named == {
            (one.shop_id, one.user_id, one.priority) for one in table.find_lanes(shops, now)
        }
