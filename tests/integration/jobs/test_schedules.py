"""Schedules fire once, whoever looks, and go on whatever becomes of one job."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runtime.errors import InputError, ScheduleExists, ScheduleNotFound, ShopNotFound
from runtime.jobs.schedule_firing import Fired, fire_due
from runtime.jobs.schedule_service import ScheduleService
from runtime.storage.models import JobSchedule, MarketplaceJob, Shop
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop, get_job, inline_product, set_job
from tests.support.database.listening import listening, received
from tests.support.deadline import wait_until

HOUR = timedelta(hours=1)


@pytest.fixture
def shop(database: Database) -> int:
    return add_shop(database)


def add(
    database: Database, name: str = "nightly", cron: str = "0 3 * * *", **more: Any
) -> JobSchedule:
    with database.session.begin() as session:
        service = ScheduleService(session)
        return service.add_schedule(name, cron, "vinted", more.pop("action", "sync"), **more)


def get(database: Database, name: str = "nightly") -> JobSchedule:
    with database.session() as session:
        schedule = ScheduleService(session).get_schedule(name)
    assert schedule is not None
    return schedule


def make_due(database: Database, name: str = "nightly", ago: timedelta = HOUR) -> datetime:
    due = datetime.now(UTC).replace(microsecond=0) - ago
    with database.session.begin() as session:
        session.get_one(JobSchedule, get(database, name).id).next_run_at = due
    return due


def fire(database: Database) -> Fired:
    with database.session.begin() as session:
        return fire_due(session)


def jobs(database: Database) -> list[MarketplaceJob]:
    with database.session() as session:
        return session.query(MarketplaceJob).order_by(MarketplaceJob.id).all()


def change(database: Database, method: str, name: str = "nightly") -> Any:
    with database.session.begin() as session:
        return getattr(ScheduleService(session), method)(name)


# --- firing -------------------------------------------------------------------------------


def test_a_schedule_that_is_due_creates_its_job_and_moves_on(database: Database, shop: int) -> None:
    add(database, input_data={"page": 1}, priority=1)
    assert fire(database).jobs == 0
    due = make_due(database)
    fired = fire(database)
    assert fired.jobs == 1
    (job,) = jobs(database)
    schedule = get(database)
    assert job.idempotency_key == f"schedule:{schedule.id}:{due.isoformat()}"
    assert (job.shop_id, job.user_id, job.priority, job.input_data) == (shop, 7, 1, {"page": 1})
    assert schedule.last_job_id == job.id
    assert schedule.next_run_at > datetime.now(UTC)
    assert fired.next_in is not None
    assert timedelta(0) < fired.next_in <= 24 * HOUR


def test_many_missed_times_are_one_run(database: Database, shop: int) -> None:
    add(database, cron="* * * * *")
    make_due(database, ago=timedelta(days=40))
    assert fire(database).jobs == 1
    # Else the second would be left out because the first has not started.
    set_job(database, jobs(database)[0].id, {"status": "completed"})
    assert fire(database).jobs == 0
    assert get(database).next_run_at <= datetime.now(UTC) + timedelta(minutes=1)


def test_a_firing_happens_once_though_its_time_is_set_back(database: Database, shop: int) -> None:
    add(database)
    due = make_due(database)
    fire(database)
    set_job(database, jobs(database)[0].id, {"status": "completed"})
    with database.session.begin() as session:
        session.get_one(JobSchedule, get(database).id).next_run_at = due
    fire(database)
    assert len(jobs(database)) == 1


def test_two_nodes_fire_it_once_and_do_not_wait_for_each_other(
    database: Database, shop: int
) -> None:
    add(database)
    make_due(database)
    with database.session() as one:
        assert fire_due(one).jobs == 1
        assert fire(database).jobs == 0
        one.commit()
    assert fire(database).jobs == 0
    assert len(jobs(database)) == 1


def test_a_rollback_leaves_it_due(database: Database, shop: int) -> None:
    add(database)
    make_due(database)
    with database.session() as session:
        fire_due(session)
        session.rollback()
    assert jobs(database) == []
    assert fire(database).jobs == 1


def test_a_former_job_that_never_started_stands_for_the_new_one(
    database: Database, shop: int
) -> None:
    add(database)
    make_due(database)
    fire(database)
    make_due(database, ago=HOUR / 2)
    problem = fire(database).problems["nightly"]
    assert "has not started yet" in problem
    assert problem in (get(database).error_message or "")
    set_job(database, jobs(database)[0].id, {"started_at": datetime.now(UTC)})
    make_due(database, ago=HOUR / 4)
    assert fire(database).jobs == 1
    assert get(database).error_message is None


def test_a_job_that_cannot_be_created_is_noted_and_the_others_go_on(
    database: Database, shop: int
) -> None:
    product = inline_product()
    add_job(database, shop, "publish", input_data=product)
    add(database, "a", action="publish", input_data=product)
    add(database, "b")
    make_due(database, "a")
    make_due(database, "b")
    fired = fire(database)
    assert (fired.jobs, list(fired.problems)) == (1, ["a"])
    refused = get(database, "a")
    assert "a second publish to shop 1 is refused" in (refused.error_message or "")
    assert (refused.last_job_id, refused.paused) == (None, False)
    assert refused.next_run_at > datetime.now(UTC)


def test_a_shop_that_another_user_got_is_noted(database: Database, shop: int) -> None:
    add(database)
    make_due(database)
    with database.session.begin() as session:
        session.get_one(Shop, shop).user_id = 8
    assert "does not belong to user 7" in fire(database).problems["nightly"]


def test_one_that_can_fire_no_more_is_paused_with_the_reason(database: Database, shop: int) -> None:
    add(database)
    make_due(database)
    with database.session.begin() as session:
        session.get_one(JobSchedule, get(database).id).timezone = "Mars/Olympus"
    fire(database)
    schedule = get(database)
    assert schedule.paused
    assert "paused, because the time zone 'Mars/Olympus' is not known" in (
        schedule.error_message or ""
    )


# --- looking after them -------------------------------------------------------------------


def test_its_times_are_those_of_its_zone(database: Database, shop: int) -> None:
    schedule = add(database, cron="30 9 * * *", timezone="Asia/Kolkata")
    assert schedule.next_run_at.astimezone(UTC).strftime("%H:%M") == "04:00"


def test_a_paused_schedule_does_not_fire_and_resumes_from_now_on(
    database: Database, shop: int
) -> None:
    add(database)
    change(database, "pause_schedule")
    make_due(database)
    assert fire(database).jobs == 0
    change(database, "resume_schedule")
    assert get(database).next_run_at > datetime.now(UTC)
    assert fire(database).jobs == 0


def test_run_now_makes_a_job_each_time_and_leaves_the_next_time(
    database: Database, shop: int
) -> None:
    schedule = add(database)
    first, second = (change(database, "run_now").id for _ in range(2))
    assert first != second
    again = get(database)
    assert (again.last_job_id, again.next_run_at) == (second, schedule.next_run_at)
    assert get_job(database, first).status == "pending"


def test_a_removed_schedule_leaves_its_jobs(database: Database, shop: int) -> None:
    add(database)
    change(database, "run_now")
    change(database, "remove_schedule")
    assert len(jobs(database)) == 1
    with pytest.raises(ScheduleNotFound, match="'nightly' does not exist"):
        change(database, "pause_schedule")
    assert add(database).name == "nightly"


def test_every_change_is_announced(database: Database, shop: int) -> None:
    with listening(database, "marketplace_runtime_schedules") as ears:
        add(database)
        assert received(ears) == ""
        for method in ("pause_schedule", "resume_schedule", "remove_schedule"):
            change(database, method)
            assert received(ears) == ""


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"cron": "0 0 31 2 *"}, InputError, "days that exist"),
        ({"cron": "hourly"}, InputError, "must have 5 fields"),
        ({"timezone": "Mars/Olympus"}, InputError, "is not known"),
        ({"priority": 0}, InputError, "priority must be 1"),
        ({"priority": 5}, InputError, "priority must be 1"),
        ({"name": ""}, InputError, "name must be a text"),
        ({"name": "n" * 101}, InputError, "at most 100 fit"),
        ({"name": "a\0"}, InputError, "cannot be stored"),
        ({"shop_id": 99}, ShopNotFound, "shop 99 does not exist"),
        ({"input_data": [1]}, InputError, "JSON object"),
        ({"action": "sinc"}, InputError, "Action type not found"),
        ({"name": "taken"}, ScheduleExists, "there is a schedule 'taken' already"),
    ],
)
def test_bad_input_is_refused_by_name(
    database: Database, shop: int, arguments: dict[str, Any], error: type[Exception], says: str
) -> None:
    add(database, "taken")
    with pytest.raises(error, match=says):
        add(database, **{"name": "nightly", **arguments})
    with database.session() as session:
        assert session.query(JobSchedule).count() == 1


def test_of_two_of_one_name_at_once_exactly_one_is_added(database: Database, shop: int) -> None:
    refused = threading.Event()

    def add_second() -> None:
        with pytest.raises(ScheduleExists):
            add(database)
        refused.set()

    with database.session() as session:
        ScheduleService(session).add_schedule("nightly", "0 3 * * *", "vinted", "sync")
        second = threading.Thread(target=add_second)
        second.start()
        session.commit()
    second.join()
    wait_until(refused.is_set)
