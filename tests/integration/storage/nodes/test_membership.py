"""Nodes: living ones are left alone, and the jobs of dead ones are rescued."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog.testing
from sqlalchemy import delete, text

from runtime.errors import DatabaseUnavailable
from runtime.messages import LaneRequest, LaneShop
from runtime.process.clock import SystemClock
from runtime.process.lease import LASTS, Lease
from runtime.storage.models import BrowserPresence, RuntimeNode
from runtime.storage.nodes.heartbeat import Heartbeat
from runtime.storage.nodes.membership import (
    confirm_heartbeat,
    dead_nodes,
    forget_nodes,
    hand_back_jobs,
    leave,
    register_node,
)
from runtime.storage.nodes.presence import record_presence
from runtime.storage.queue.claims import claim_jobs
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop, get_job, set_job
from tests.support.deadline import wait_until

Log = list[Any]


@pytest.fixture
def log() -> Iterator[Log]:
    with structlog.testing.capture_logs() as lines:
        yield lines


def register(database: Database) -> int:
    with database.session.begin() as session:
        return register_node(session)


def claimed_by(database: Database, node: int) -> tuple[int, int]:
    shop = add_shop(database)
    job_id = add_job(database, shop)
    with database.session.begin() as session:
        claim_jobs(session, "vinted", [LaneRequest(shop, (shop,), 1)], 1, node)
    return shop, job_id


def age_heartbeat(database: Database, node: int, seconds: float) -> None:
    with database.session.begin() as session:
        session.execute(
            text(
                "UPDATE marketplace_runtime.runtime_nodes "
                "SET heartbeat_at = now() - make_interval(secs => :age) WHERE id = :id"
            ),
            {"age": seconds, "id": node},
        )


def heartbeat(
    database: Database, node: int, each_beat: Callable[[bool], None] = lambda _: None
) -> Heartbeat:
    clock = SystemClock(lambda _name, _message: None)
    return Heartbeat(database, node, clock, Lease(clock.now()), each_beat)


@pytest.mark.parametrize("ahead", [timedelta(hours=-2), timedelta(hours=2)])
def test_a_heartbeat_goes_by_the_clock_of_the_database_and_says_what_it_found(
    database: Database, log: Log, ahead: timedelta
) -> None:
    off = [ahead]
    clock = SystemClock(lambda _name, _message: None, lambda: datetime.now(UTC) + off[0])
    lease = Lease(clock.now())
    beats: list[bool] = []
    heart = Heartbeat(database, register(database), clock, lease, beats.append)
    heart.start()
    try:
        with database.session() as session:
            there = session.execute(text("SELECT clock_timestamp()")).scalar_one()
        assert abs(clock.now() - there) < timedelta(minutes=5)
        assert lease.until - clock.now() <= LASTS
        assert [line for line in log if "clock differs from the database's" in line["event"]]
        off[0] = timedelta(0)
        wait_until(lambda: [line for line in log if "database's again" in line["event"]])
        assert abs(clock.now() - there) < timedelta(minutes=5)
        assert clock.lead == timedelta(0)
    finally:
        heart.stop()


def test_a_heartbeat_finds_that_the_monotonic_clock_stood_still(
    database: Database, log: Log
) -> None:
    slept = [0.0]
    clock = SystemClock(lambda _name, _message: None, monotonic=lambda: time.monotonic() - slept[0])
    lease = Lease(clock.now())
    heart = Heartbeat(database, register(database), clock, lease, lambda _: None)
    heart.start()
    try:
        # For the clock, two hours pass of which it sees nothing.
        slept[0] = 7_200.0
        wait_until(lambda: [line for line in log if "the time was corrected" in line["event"]])
        assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=5)
    finally:
        heart.stop()


def rescue(database: Database, by: int) -> list[dict[str, list[LaneShop]]]:
    # A service confirms its own heartbeat each second; this one needs no thread for it.
    age_heartbeat(database, by, 0)
    with database.session.begin() as session:
        dead = dead_nodes(session, by)
        shops = [hand_back_jobs(session, node) for node in dead]
        forget_nodes(session, dead)
    return shops


def test_the_jobs_of_a_dead_node_are_pending_again(database: Database) -> None:
    dead, living = register(database), register(database)
    shop, job_id = claimed_by(database, dead)
    age_heartbeat(database, dead, 15)
    assert rescue(database, living) == [{"vinted": [LaneShop(shop, 7, 4)]}]
    row = get_job(database, job_id)
    assert (row.status, row.node_id, row.retry_count) == ("pending", None, 0)
    with database.session() as session:
        assert session.get(RuntimeNode, dead) is None


def test_a_node_with_a_fresh_heartbeat_is_not_rescued(database: Database) -> None:
    living, other = register(database), register(database)
    _, job_id = claimed_by(database, living)
    assert rescue(database, other) == []
    assert get_job(database, job_id).status == "running"


def test_a_node_that_holds_its_lock_is_given_more_time(database: Database) -> None:
    living, other = register(database), register(database)
    _, job_id = claimed_by(database, living)
    heart = heartbeat(database, living)
    heart.start()
    try:
        age_heartbeat(database, living, 15)
        assert rescue(database, other) == []
    finally:
        heart.stop()
    age_heartbeat(database, living, 15)
    # The server frees the lock when it notices that the connection is gone.
    wait_until(lambda: rescue(database, other))
    assert get_job(database, job_id).status == "pending"


def confirm(database: Database, node: int) -> None:
    with database.session.begin() as session:
        confirm_heartbeat(session, node)


def test_a_node_that_was_cut_off_itself_judges_nobody(database: Database) -> None:
    first, second = register(database), register(database)
    _, job_id = claimed_by(database, second)
    # The database was away for both, and the first node is the first to come back.
    for node in (first, second):
        age_heartbeat(database, node, 36)
    with database.session.begin() as session:
        assert dead_nodes(session, first) == [], "its own heartbeat is not confirmed yet"
    confirm(database, first)
    assert rescue(database, first) == [], "its own heartbeat is confirmed only just now"
    confirm(database, second)
    assert get_job(database, job_id).status == "running"


def test_a_node_that_was_cut_off_judges_after_a_while_of_heartbeats(database: Database) -> None:
    judge, dead = register(database), register(database)
    _, job_id = claimed_by(database, dead)
    for node in (judge, dead):
        age_heartbeat(database, node, 36)
    confirm(database, judge)
    with database.session.begin() as session:
        session.execute(
            text(
                "UPDATE marketplace_runtime.runtime_nodes "
                "SET interrupted_at = interrupted_at - interval '11 seconds' WHERE id = :id"
            ),
            {"id": judge},
        )
    confirm(database, judge)
    assert len(rescue(database, judge)) == 1
    assert get_job(database, job_id).status == "pending"


def test_a_node_that_was_forgotten_judges_nobody_right_away(database: Database) -> None:
    forgotten, other = register(database), register(database)
    _, job_id = claimed_by(database, other)
    with database.session.begin() as session:
        forget_nodes(session, [forgotten])
    age_heartbeat(database, other, 36)
    with database.session.begin() as session:
        assert dead_nodes(session, forgotten) == [], "it has no row"
    confirm(database, forgotten)
    assert rescue(database, forgotten) == []
    assert get_job(database, job_id).status == "running"


def test_a_silent_node_is_dead_even_if_its_lock_is_held(database: Database) -> None:
    silent, other = register(database), register(database)
    claimed_by(database, silent)
    heart = heartbeat(database, silent)
    heart.start()
    try:
        age_heartbeat(database, silent, 40)
        assert len(rescue(database, other)) == 1
    finally:
        heart.stop()


def test_the_heartbeat_is_confirmed_and_says_each_beat(database: Database) -> None:
    node = register(database)
    beats = []
    heart = heartbeat(database, node, lambda _: beats.append(time.monotonic()))
    age_heartbeat(database, node, 100)
    heart.start()
    try:
        wait_until(lambda: beats)
        with database.session() as session:
            age = session.scalar(
                text("SELECT extract(epoch FROM now() - max(heartbeat_at)) FROM "
                     "marketplace_runtime.runtime_nodes")
            )  # fmt: skip
        assert age < 90
    finally:
        heart.stop()


def test_a_node_that_leaves_hands_its_jobs_back(database: Database) -> None:
    node = register(database)
    _, job_id = claimed_by(database, node)
    with database.session.begin() as session:
        record_presence(session, node, {7: True})
        leave(session, node)
    assert get_job(database, job_id).status == "pending"
    with database.session() as session:
        assert session.query(BrowserPresence).count() == 0


def test_the_presence_at_a_node_that_was_forgotten_is_not_written(database: Database) -> None:
    node = register(database)
    with database.session.begin() as session:
        session.execute(delete(RuntimeNode).where(RuntimeNode.id == node))
    with database.session.begin() as session:
        assert record_presence(session, node, {7: True, 8: False}) is False
    with database.session.begin() as session:
        confirm_heartbeat(session, node)
        assert record_presence(session, node, {7: True, 8: False}) is True


def test_presence_is_what_was_said_last(database: Database) -> None:
    node = register(database)
    for presence in ({7: True, 8: True}, {7: True, 8: False}):
        with database.session.begin() as session:
            record_presence(session, node, presence)
    with database.session() as session:
        assert [row.user_id for row in session.query(BrowserPresence)] == [7]


def test_a_stopped_process_that_holds_locks_holds_up_no_rescue(database: Database) -> None:
    dead, living = register(database), register(database)
    _, free = claimed_by(database, dead)
    held = add_job(database, get_job(database, free).shop_id)
    set_job(database, held, {"status": "running", "node_id": dead, "fence": 1})
    age_heartbeat(database, dead, 40)
    with database.session.begin() as stopped:
        own = "SELECT 1 FROM marketplace_runtime.runtime_nodes WHERE id = :id FOR UPDATE"
        stopped.execute(text(own), {"id": dead})
        locked = "SELECT 1 FROM marketplace_runtime.marketplace_jobs WHERE id = :id FOR UPDATE"
        stopped.execute(text(locked), {"id": held})
        rescue(database, living)
        assert get_job(database, free).status == "pending"
        assert get_job(database, held).status == "running"
    rescue(database, living)
    assert get_job(database, held).status == "pending"


def test_a_transaction_that_asks_for_nothing_gives_its_locks_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.storage.server.engine.LONGEST_IDLE", timedelta(milliseconds=200))
    node = register(database)
    with pytest.raises(DatabaseUnavailable):
        _stop_within_a_transaction(database, node)


def _stop_within_a_transaction(database: Database, node: int) -> None:
    lock = text("SELECT 1 FROM marketplace_runtime.runtime_nodes FOR UPDATE")
    with database.transaction("stopped") as stopped:
        stopped.execute(lock)
        # Waits for the lock, so until the other transaction has been ended.
        age_heartbeat(database, node, 1)
        stopped.execute(lock)
