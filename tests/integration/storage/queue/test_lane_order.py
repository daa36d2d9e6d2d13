"""The order of a lane: urgency as Python has them, priorities in turns, and who is before whom."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from runtime.messages import LaneRequest
from runtime.runs.job_states import JobEvent
from runtime.runs.settlement import Settlement
from runtime.storage.nodes.membership import register_node
from runtime.storage.queue.claims import claim_jobs
from runtime.storage.queue.lane_order import URGENCY, jobs_before
from runtime.storage.queue.settlements import settle_jobs
from runtime.storage.server.engine import Database
from runtime.waiting.urgency import urgency
from tests.support.database.job_rows import add_job, add_shop
from tests.support.database.product_rows import add_products

AGING = timedelta(minutes=15)


@pytest.fixture
def node(database: Database) -> int:
    with database.session.begin() as session:
        return register_node(session)


def ago(minutes: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)


def run_order(database: Database, node: int, shop: int) -> list[int]:
    """The jobs of a shop as a lane with one place gets them, each ended at once."""
    order: list[int] = []
    after = 0
    while True:
        with database.session.begin() as session:
            request = LaneRequest(shop, (shop,), 1, after)
            jobs = claim_jobs(session, "vinted", [request], 1, node, AGING).jobs
            settle_jobs(session, [Settlement(job.id, job.fence, JobEvent.COMPLETE) for job in jobs])
        if not jobs:
            return order
        after = jobs[0].priority
        order.append(jobs[0].id)


def test_the_database_and_python_agree_on_the_urgency(database: Database) -> None:
    draw = random.Random(7)
    waits = [timedelta(seconds=draw.uniform(-3_600, 4 * 3_600)) for _ in range(500)]
    waits += [n * AGING + timedelta(microseconds=one) for n in range(5) for one in (-1, 0, 1)]
    rows = [(draw.randint(1, 4), wait, draw.choice([AGING, AGING / 7])) for wait in waits]
    query = text(
        f"SELECT {URGENCY} FROM (SELECT CAST(:priority AS smallint) AS priority, "
        "now() - CAST(:waited AS interval) AS run_at) AS job"
    )
    with database.session() as session:
        for priority, waited, aging in rows:
            values = {"priority": priority, "waited": waited, "aging": aging}
            assert session.scalar(query, values) == urgency(priority, waited, aging), values


def test_a_job_that_has_waited_is_claimed_before_a_fresh_one_of_a_higher_priority(
    database: Database, node: int
) -> None:
    shop = add_shop(database)
    fresh = add_job(database, shop, priority=3)
    old = add_job(database, shop, priority=4, run_at=ago(31))
    assert run_order(database, node, shop) == [old, fresh]


def test_of_one_urgency_the_priorities_of_a_lane_take_turns(database: Database, node: int) -> None:
    shop = add_shop(database)
    backlog = [add_job(database, shop, priority=4, run_at=ago(90 - n)) for n in range(4)]
    critical = [add_job(database, shop, priority=1) for _ in range(2)]
    # Neither waits for all of the other.
    assert run_order(database, node, shop) == [
        critical[0], backlog[0], critical[1], *backlog[1:],
    ]  # fmt: skip


def test_the_better_urgency_of_another_lane_is_served_first_whatever_the_turn(
    database: Database, node: int
) -> None:
    low, high = add_shop(database, user_id=1), add_shop(database, user_id=2)
    for _ in range(3):
        add_job(database, low, priority=3)
    urgent = add_job(database, high, priority=2)
    lanes = [LaneRequest(low, (low,), 3), LaneRequest(high, (high,), 3)]
    with database.session.begin() as session:
        (job,) = claim_jobs(session, "vinted", lanes, 1, node, AGING).jobs
    assert job.id == urgent


def test_of_one_urgency_lanes_are_served_in_the_order_in_which_they_are_named(
    database: Database, node: int
) -> None:
    shops = [add_shop(database, user_id=user) for user in (1, 2, 3)]
    for shop in shops:
        add_job(database, shop)
    named = [shops[2], shops[0], shops[1]]
    with database.session.begin() as session:
        requests = [LaneRequest(shop, (shop,), 1) for shop in named]
        jobs = claim_jobs(session, "vinted", requests, 2, node, AGING).jobs
    assert {job.shop.id for job in jobs} == set(named[:2])


def test_a_lane_that_was_named_for_a_better_urgency_is_behind_those_that_have_their_turn(
    database: Database, node: int
) -> None:
    shops = [add_shop(database, user_id=user) for user in (1, 2)]
    for shop in shops:
        add_job(database, shop, priority=3)
    lanes = [
        LaneRequest(shop, (shop,), 1, urgency=n) for shop, n in zip(shops, (1, 3), strict=True)
    ]
    with database.session.begin() as session:
        (job,) = claim_jobs(session, "vinted", lanes, 1, node, AGING).jobs
    assert job.shop.id == shops[1]


def test_a_lane_gets_no_job_below_the_worst_urgency_that_it_may_get(
    database: Database, node: int
) -> None:
    """Else it would go before lanes of that urgency which are not even named."""
    shop, other = add_shop(database, user_id=1), add_shop(database, user_id=2)
    old = add_job(database, shop, priority=4, run_at=ago(31))
    add_job(database, shop, priority=3)
    add_job(database, other, priority=2)
    lanes = [LaneRequest(shop, (shop,), 5, worst=2), LaneRequest(other, (other,), 5, worst=1)]
    with database.session.begin() as session:
        claim = claim_jobs(session, "vinted", lanes, 9, node, AGING)
    assert [job.id for job in claim.jobs] == [old]
    assert {(one.lane, head.priority) for one in claim.waiting for head in one.heads} == {
        (shop, 3), (other, 2)
    }, "it is told what there is"  # fmt: skip


def test_the_jobs_before_one_are_those_that_are_claimed_before_it(
    database: Database, node: int
) -> None:
    """Whichever priority the lane got last: it may have been that of the job."""
    draw = random.Random(11)
    shop = add_shop(database)
    jobs = {}
    for _ in range(40):
        priority = draw.randint(1, 4)
        run_at = ago(draw.uniform(0, 80))
        jobs[add_job(database, shop, priority=priority, run_at=run_at)] = priority
    with database.session() as session:
        before = {one: certainly_before(session, one, shop) for one in jobs}
    for after in range(1, 5):
        with database.session() as session:
            request = LaneRequest(shop, (shop,), 7, after)
            claimed = {
                job.id for job in claim_jobs(session, "vinted", [request], 7, node, AGING).jobs
            }
            session.rollback()
        assert {one for one, n in before.items() if n < 7} <= claimed
        assert {one for one in claimed if jobs[one] == after} == {
            one for one, n in before.items() if n < 7 and jobs[one] == after
        }


def certainly_before(session: Session, job_id: int, shop: int) -> int:
    """How many jobs are before a pending one."""
    before = jobs_before(session, job_id, [shop], AGING)
    assert before is not None
    return before


def test_what_is_before_a_job_is_counted_over_all_shops_of_its_lane_and_up_to_a_limit(
    database: Database,
) -> None:
    shops = [add_shop(database, user_id=user) for user in (1, 2)]
    for n in range(12):
        add_job(database, shops[n % 2], priority=2)
    last = add_job(database, shops[0], priority=2)
    later = add_job(database, shops[0], priority=4, run_at=ago(-60))
    with database.session() as session:
        assert jobs_before(session, last, shops[:1], AGING) == 6
        assert jobs_before(session, last, shops, AGING) == 12
        assert jobs_before(session, later, shops, AGING) == 13, "as if it were due last"
        assert jobs_before(session, last, shops, AGING, most=5) == 6, "more than 5"
        assert jobs_before(session, 999_999, shops, AGING) is None


def test_jobs_of_one_product_are_not_counted_before_another_product(database: Database) -> None:
    shop = add_shop(database)
    busy, free = add_products(database, 2)
    for _ in range(5):
        add_job(database, shop, product_id=busy)
    other = add_job(database, shop, product_id=free)
    with database.session() as session:
        assert jobs_before(session, other, [shop], AGING) == 1
