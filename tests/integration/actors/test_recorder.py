"""RecorderActor: group commits, one bad value harms nobody else, outages lose nothing."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import pykka
import pytest
from sqlalchemy import URL, delete, make_url

from actors.directory import Directory
from actors.recorder import LONGEST_RETRY, PRESENCE_DELAY, RecorderActor
from runtime import Job, messages
from runtime.process.clock import ManualClock
from runtime.runs.job_states import JobEvent
from runtime.runs.settlement import Settlement
from runtime.storage.models import BrowserPresence, RuntimeNode
from runtime.storage.nodes.membership import confirm_heartbeat, register_node
from runtime.storage.queue.claims import claim_jobs
from runtime.storage.server.embedded import EmbeddedServer
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop, get_job
from tests.support.deadline import wait_until

M = TypeVar("M")


class Inbox(pykka.ThreadingActor):
    """Keeps what it is told."""

    use_daemon_thread = True

    def __init__(self) -> None:
        super().__init__()
        self.received: list[object] = []

    def on_receive(self, message: object) -> None:
        self.received.append(message)


class Scene:
    """A recorder, claimed jobs, and an inbox for acknowledgements."""

    def __init__(self, database: Database, jobs: int) -> None:
        self.database = database
        self.directory = Directory()
        self.clock = ManualClock(self.directory.tell)
        self.inbox = Inbox.start()
        inbox = self.inbox._actor_weakref()
        assert inbox is not None
        self.received = inbox.received
        for name in ("asker", messages.SUPERVISOR):
            self.directory.register(name, self.inbox, 1)
        shop = add_shop(database)
        for _ in range(jobs):
            add_job(database, shop)
        with database.session.begin() as session:
            self.node = register_node(session)
            lane = messages.LaneRequest(shop, (shop,), jobs)
            self.jobs = claim_jobs(session, "vinted", [lane], jobs, self.node).jobs
        self.recorder = RecorderActor.start(
            messages.RECORDER, 1, self.directory, self.clock,
            database=database, node_id=self.node,
        )  # fmt: skip

    def settle(self, job: Job, **values: Any) -> None:
        settlement = Settlement(job.id, job.fence, JobEvent.COMPLETE, **values)
        self.recorder.tell(messages.RecordSettlement("asker", settlement))

    def acknowledged(self, kind: type[M]) -> list[M]:
        return [one for one in list(self.received) if isinstance(one, kind)]


MakeScene = Callable[..., Scene]


@pytest.fixture
def make_scene(database: Database) -> Iterator[MakeScene]:
    scenes = []

    def make(jobs: int, on: Database | None = None) -> Scene:
        scenes.append(Scene(on or database, jobs))
        return scenes[-1]

    yield make
    for scene in scenes:
        scene.recorder.stop()
        scene.inbox.stop()


def test_endings_are_acknowledged_once_committed(make_scene: MakeScene) -> None:
    scene = make_scene(30)
    for job in scene.jobs:
        scene.settle(job, result={"job": job.id})
    wait_until(lambda: len(scene.acknowledged(messages.SettlementRecorded)) == 30)
    assert all(one.written for one in scene.acknowledged(messages.SettlementRecorded))
    assert {get_job(scene.database, job.id).status for job in scene.jobs} == {"completed"}


def test_one_settlement_with_a_bad_value_does_not_hold_up_the_others(make_scene: MakeScene) -> None:
    scene = make_scene(20)
    bad = scene.jobs[7]
    for job in scene.jobs:
        scene.settle(job, result={"text": "\ud800" if job is bad else "fine"})
    (refused,) = wait_until(lambda: scene.acknowledged(messages.SettlementInvalid))
    wait_until(lambda: len(scene.acknowledged(messages.SettlementRecorded)) == 19)
    assert refused.job_id == bad.id
    assert get_job(scene.database, bad.id).status == "running"


def test_a_run_that_lost_its_job_is_told_so(make_scene: MakeScene) -> None:
    scene = make_scene(1)
    (job,) = scene.jobs
    old = Settlement(job.id, job.fence - 1, JobEvent.COMPLETE)
    scene.recorder.tell(messages.RecordSettlement("asker", old))
    (told,) = wait_until(lambda: scene.acknowledged(messages.SettlementRecorded))
    assert not told.written


def test_outcomes_are_kept_while_the_database_is_away(
    make_scene: MakeScene, database_url: URL, server: EmbeddedServer
) -> None:
    elsewhere = Database(database_url)
    scene = make_scene(3, on=elsewhere)
    home = make_url(server.url)
    admin = Database(home)
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as away:
        name = database_url.database
        away.exec_driver_sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        away.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        for job in scene.jobs:
            scene.settle(job)
        wait_until(scene.clock.next_due)
        assert not scene.acknowledged(messages.SettlementRecorded)
        away.exec_driver_sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    scene.clock.advance(timedelta(seconds=10))
    wait_until(lambda: len(scene.acknowledged(messages.SettlementRecorded)) == 3)
    assert all(one.written for one in scene.acknowledged(messages.SettlementRecorded))
    admin.dispose()
    elsewhere.dispose()


def test_a_marketplaces_jobs_are_handed_back_behind_the_endings_that_came_before(
    make_scene: MakeScene,
) -> None:
    scene = make_scene(2)
    ended, running = scene.jobs
    scene.settle(ended)
    scene.recorder.tell(messages.HandBackJobs("asker", "vinted"))
    (handed_back,) = wait_until(lambda: scene.acknowledged(messages.JobsHandedBack))
    assert handed_back.count == 1
    assert get_job(scene.database, ended.id).status == "completed"
    assert get_job(scene.database, running.id).status == "pending"


def test_the_presence_of_a_seller_is_kept_until_a_forgotten_node_is_back(
    make_scene: MakeScene,
) -> None:
    scene = make_scene(0)
    with scene.database.session.begin() as session:
        session.execute(delete(RuntimeNode).where(RuntimeNode.id == scene.node))
    scene.recorder.tell(messages.RecordPresence(7, True))

    def was_drained(times: int) -> bool:
        return len(scene.acknowledged(messages.Drained)) == times

    # What is told later is done later, so that this waits for the presence to be tried.
    for number, delay in enumerate((timedelta(0), PRESENCE_DELAY), 1):
        scene.clock.advance(delay)
        scene.recorder.tell(messages.Drain(scene.clock.now()))
        wait_until(partial(was_drained, number))
    with scene.database.session.begin() as session:
        confirm_heartbeat(session, scene.node)

    def is_written() -> bool:
        scene.clock.advance(LONGEST_RETRY)
        with scene.database.session() as session:
            return [row.user_id for row in session.query(BrowserPresence)] == [7]

    wait_until(is_written)
    assert scene.recorder.is_alive()


def test_it_says_that_it_is_drained_when_everything_is_written(make_scene: MakeScene) -> None:
    scene = make_scene(5)
    for job in scene.jobs:
        scene.settle(job)
    scene.recorder.tell(messages.Drain(scene.clock.now()))
    wait_until(lambda: scene.acknowledged(messages.Drained))
    assert {get_job(scene.database, job.id).status for job in scene.jobs} == {"completed"}
