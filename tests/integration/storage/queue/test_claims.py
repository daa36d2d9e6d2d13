"""The claim: for named lanes, most urgent first, each job once."""

from datetime import UTC, datetime, timedelta

import pytest

from runtime.messages import LaneHeads, LaneRequest
from runtime.storage.nodes.membership import register_node
from runtime.storage.queue.claims import Claim, claim_jobs, find_lanes
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop, get_job


@pytest.fixture
def node(database: Database) -> int:
    with database.session.begin() as session:
        return register_node(session)


def claim(database: Database, node: int, *lanes: LaneRequest, limit: int = 100) -> Claim:
    with database.session.begin() as session:
        return claim_jobs(session, "vinted", lanes, limit, node)


def lane(*shops: int, room: int = 1, key: int | None = None) -> LaneRequest:
    return LaneRequest(key or shops[0], shops, room)


def test_a_claimed_job_is_running_under_a_new_fence(database: Database, node: int) -> None:
    shop = add_shop(database)
    job_id = add_job(database, shop, input_data={"page": 2})
    (job,) = claim(database, node, lane(shop)).jobs
    row = get_job(database, job_id)
    assert (row.status, row.node_id, row.fence) == ("running", node, 1)
    assert row.started_at is not None
    assert (job.id, job.fence, job.key) == (job_id, 1, "sync_vinted")
    assert job.input_data == {"page": 2}
    assert (job.rate_limit, job.timeout) == (timedelta(milliseconds=1500), timedelta(seconds=300))
    assert claim(database, node, lane(shop)).jobs == ()


def test_the_most_urgent_job_of_a_lane_comes_first(database: Database, node: int) -> None:
    shop = add_shop(database)
    ids = {priority: add_job(database, shop, priority=priority) for priority in (4, 2, 3, 1)}
    order = [claim(database, node, lane(shop)).jobs[0].id for _ in ids]
    assert order == [ids[1], ids[2], ids[3], ids[4]]


def test_within_a_priority_the_older_job_comes_first(database: Database, node: int) -> None:
    shop = add_shop(database)
    ids = [add_job(database, shop) for _ in range(3)]
    assert [claim(database, node, lane(shop)).jobs[0].id for _ in ids] == ids


def test_lanes_take_turns_within_a_priority(database: Database, node: int) -> None:
    busy, quiet = add_shop(database, user_id=1), add_shop(database, user_id=2)
    for _ in range(20):
        add_job(database, busy)
    single = add_job(database, quiet)
    jobs = claim(database, node, lane(busy, room=20), lane(quiet, room=20), limit=2).jobs
    assert single in {job.id for job in jobs}


def test_a_lane_of_several_shops_gets_no_more_than_its_room(database: Database, node: int) -> None:
    shops = [add_shop(database, user_id=user) for user in (1, 2)]
    for shop in shops:
        add_job(database, shop)
    assert len(claim(database, node, lane(*shops, room=1)).jobs) == 1


def test_a_job_that_is_not_due_is_left_and_its_time_is_told(database: Database, node: int) -> None:
    shop = add_shop(database)
    add_job(database, shop, run_at=datetime.now(UTC) + timedelta(hours=1))
    claimed = claim(database, node, lane(shop))
    assert claimed.jobs == ()
    ((head,),) = (lane.heads for lane in claimed.waiting if lane.lane == shop)
    assert (head.priority, head.blocked) == (4, False)
    assert timedelta(minutes=59) < head.due_in < timedelta(minutes=61)


def test_of_a_lane_without_jobs_nothing_is_left(database: Database, node: int) -> None:
    shop = add_shop(database)
    assert claim(database, node, lane(shop)).waiting == (LaneHeads(shop, ()),)


def test_what_the_limit_or_the_room_left_is_told_for_each_priority(
    database: Database, node: int
) -> None:
    shop = add_shop(database)
    for priority in (1, 1, 3, 3):
        add_job(database, shop, priority=priority)
    later = datetime.now(UTC) + timedelta(hours=1)
    add_job(database, shop, priority=4, run_at=later)
    claimed = claim(database, node, lane(shop, room=5), limit=3)
    assert [job.priority for job in claimed.jobs] == [1, 1, 3]
    (waiting,) = claimed.waiting
    assert [head.priority for head in waiting.heads] == [3, 4]
    assert waiting.heads[0].due_in <= timedelta(0) < waiting.heads[1].due_in


def test_a_job_that_an_open_transaction_holds_does_not_hold_up_the_others(
    database: Database, node: int
) -> None:
    shop = add_shop(database)
    held, free = add_job(database, shop), add_job(database, shop)
    with database.engine.begin() as other:
        other.exec_driver_sql(
            "SELECT 1 FROM marketplace_runtime.marketplace_jobs WHERE id = %s FOR UPDATE", (held,)
        )
        assert [job.id for job in claim(database, node, lane(shop, room=2)).jobs] == [free]


def test_lanes_with_pending_jobs_are_found_each_once(database: Database, node: int) -> None:
    shops = [add_shop(database, user_id=user) for user in (1, 2, 3)]
    for shop in (*shops[:2], shops[0]):
        add_job(database, shop)
    with database.session() as session:
        found = find_lanes(session, "vinted")
    assert [(one.shop_id, one.user_id, one.priority) for one in found] == [
        (shops[0], 1, 4), (shops[1], 2, 4),
    ]  # fmt: skip
