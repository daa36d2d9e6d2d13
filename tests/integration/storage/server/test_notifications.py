"""The listener: hints arrive, and a connection that died is replaced."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from runtime.messages import CancelRequested, JobsAnnounced, LaneShop, ListeningAgain
from runtime.storage.server.engine import Database
from runtime.storage.server.notifications import CANCEL_CHANNEL, JOBS_CHANNEL, Listener
from tests.support.database.job_rows import add_job, add_shop
from tests.support.deadline import wait_until


@pytest.fixture
def hints(database: Database) -> Iterator[list[object]]:
    heard: list[object] = []
    listener = Listener(database, heard.append, timedelta(seconds=0.2))
    listener.start()
    wait_until(lambda: ListeningAgain() in heard)
    yield heard
    listener.stop()


def notify(database: Database, channel: str, payload: str) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql("SELECT pg_notify(%s, %s)", (channel, payload))


def test_a_created_job_is_announced_with_its_shop_its_priority_and_its_time(
    database: Database, hints: list[object]
) -> None:
    shop = add_shop(database)
    add_job(database, shop, priority=2)
    wait_until(lambda: JobsAnnounced("vinted", (LaneShop(shop, 7, 2),)) in hints)
    add_job(database, shop, run_at=datetime.now(UTC) + timedelta(minutes=1))

    def later() -> list[timedelta]:
        shops = [one for hint in hints for one in getattr(hint, "shops", ())]
        return [one.due_in for one in shops if one.due_in]

    wait_until(later)
    assert timedelta(seconds=50) < later()[0] <= timedelta(seconds=61)


def test_a_time_beyond_all_calendars_and_a_shop_without_priority_are_heard(
    database: Database, hints: list[object]
) -> None:
    payload = {"marketplace": "vinted", "shop_id": 2, "user_id": 7}
    notify(database, JOBS_CHANNEL, json.dumps({**payload, "priority": 3, "due_in_ms": 10**30}))
    notify(database, JOBS_CHANNEL, json.dumps(payload))
    # Both may be told in one, where they came together.
    wait_until(lambda: LaneShop(2, 7) in heard_shops(hints))
    assert [shop.priority for shop in heard_shops(hints) if shop.priority] == [3]


def heard_shops(hints: list[object]) -> list[LaneShop]:
    return [shop for hint in hints for shop in getattr(hint, "shops", ())]


def test_a_cancellation_is_heard(database: Database, hints: list[object]) -> None:
    notify(database, CANCEL_CHANNEL, "12")
    wait_until(lambda: CancelRequested(12) in hints)


def test_what_cannot_be_read_is_passed_over(database: Database, hints: list[object]) -> None:
    for payload in ("", "{", "[]", '{"marketplace": "vinted"}', '{"shop_id": "x"}'):
        notify(database, JOBS_CHANNEL, payload)
    endless = {"marketplace": "x", "shop_id": float("inf"), "user_id": 1}
    notify(database, JOBS_CHANNEL, json.dumps(endless).replace("Infinity", "1e999"))
    notify(database, JOBS_CHANNEL, "[" * 7900)
    notify(database, CANCEL_CHANNEL, "all")
    notify(database, CANCEL_CHANNEL, "13")
    wait_until(lambda: CancelRequested(13) in hints)
    assert hints.count(ListeningAgain()) == 1, "the connection has to be kept"


def test_an_error_of_whoever_is_told_does_not_end_the_listening(database: Database) -> None:
    told: list[object] = []

    def deliver(message: object) -> None:
        told.append(message)
        if len(told) == 1:
            raise ValueError("nobody expects this")

    listener = Listener(database, deliver, timedelta(seconds=0.2))
    listener.start()
    try:
        wait_until(lambda: told.count(ListeningAgain()) > 1)
    finally:
        listener.stop()


LISTENERS = "datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%%probe%%'"


def ask(database: Database, question: str) -> int:
    with database.engine.begin() as connection:
        return int(connection.exec_driver_sql(question).scalar_one())


def test_a_listening_connection_that_died_is_replaced(
    database: Database, hints: list[object]
) -> None:
    hints.clear()
    kill = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {LISTENERS}"
    assert ask(database, kill) == 1
    wait_until(lambda: ListeningAgain() in hints)
    notify(database, CANCEL_CHANNEL, "14")
    wait_until(lambda: CancelRequested(14) in hints)


def test_an_idle_connection_is_probed_and_kept(database: Database, hints: list[object]) -> None:
    hints.clear()
    find = (
        f"SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE {LISTENERS} "
        "AND query LIKE '%%pg_notify%%'"
    )
    probed = wait_until(lambda: ask(database, find))
    notify(database, CANCEL_CHANNEL, "15")
    wait_until(lambda: CancelRequested(15) in hints)
    assert ask(database, find) == probed
    assert ListeningAgain() not in hints
