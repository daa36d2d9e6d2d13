"""An actor that hangs, and jobs that kill: the others go on."""

import threading
import time
from datetime import timedelta
from typing import Any

import pytest

from runtime import ActionType, BaseJobHandler, Job, Marketplace
from runtime.errors import HeldUp
from runtime.messages import LaneRequest, LaneShop
from runtime.process.config import Settings
from runtime.runs.settlement import MAX_POISONINGS
from runtime.storage.models import MarketplaceJob, MarketplaceTask
from runtime.storage.nodes.membership import hand_back_jobs, register_node
from runtime.storage.queue.claims import claim_jobs
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop, get_job, set_job
from tests.support.deadline import wait_until
from tests.support.processes.running_node import registry_of, running_node

DO = ActionType("do", "Do", rate_limit=timedelta(0))


def test_an_actor_that_hangs_is_replaced_and_writes_nothing_more(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.children.HUNG_AFTER_LOOKS", 2)
    hanging, go_on = threading.Event(), threading.Event()

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            if job.fence == 1:
                hanging.set()
                go_on.wait(30)
            return {"fence": job.fence}

    class Other(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            return {}

    registry = registry_of(
        Marketplace("example", action_types=(DO,)),
        Marketplace("other", action_types=(DO,)),
        handlers={("do", "example"): Do, ("do", "other"): Other},
    )
    with running_node(settings, database, registry) as scene:
        job_id = add_job(database, add_shop(database, "example"), "do", "example")
        assert hanging.wait(60)
        abandoned = scene.marketplace("example")
        other = add_job(database, add_shop(database, "other"), "do", "other")
        assert scene.ended(other).status == "completed"
        job = scene.ended(job_id)
        assert (job.result_data, job.retry_count, job.poison_count) == ({"fence": 2}, 0, 1)
        go_on.set()
        wait_until(lambda: not abandoned.actor_ref.is_alive())
        assert get_job(database, job_id).result_data == {"fence": 2}


def test_a_job_that_stalls_its_service_again_and_again_fails(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The heartbeat has a turn once a second, so that some turn is late in any second of computing.
    monkeypatch.setattr("runtime.process.stalls.STALLED_AFTER", timedelta(seconds=0.5))

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            begun = time.thread_time()
            while time.thread_time() - begun < 1.5:
                pass
            raise HeldUp("nothing was sent")

    example = Marketplace("example", action_types=(DO,))
    with running_node(settings, database, registry_of(example, handlers={("do", "example"): Do})):
        job_id = add_job(database, add_shop(database, "example"), "do", "example")
        set_job(database, job_id, {"poison_count": MAX_POISONINGS})
        job = wait_until(lambda: _failed(database, job_id), 60)
    assert (job.retry_count, job.poison_count) == (0, MAX_POISONINGS + 1)


def _failed(database: Database, job_id: int) -> MarketplaceJob | None:
    job = get_job(database, job_id)
    return job if job.status == "failed" else None


@pytest.fixture
def claimed(database: Database) -> tuple[int, int, int]:
    """A node, and two jobs that it runs."""
    shop = add_shop(database)
    suspect, bystander = add_job(database, shop), add_job(database, shop)
    with database.session.begin() as session:
        node = register_node(session)
        claim_jobs(session, "vinted", [LaneRequest(shop, (shop,), 2)], 2, node)
    return node, suspect, bystander


def hand_back(database: Database, node: int, *suspects: int) -> dict[str, list[LaneShop]]:
    with database.session.begin() as session:
        return hand_back_jobs(session, node, suspects=suspects)


def test_only_the_job_whose_code_ran_is_poisoned(
    database: Database, claimed: tuple[int, int, int]
) -> None:
    node, suspect, bystander = claimed
    hand_back(database, node, suspect)
    assert get_job(database, suspect).poison_count == 1
    assert get_job(database, bystander).poison_count == 0
    assert {get_job(database, one).status for one in (suspect, bystander)} == {"pending"}


def test_too_many_poisonings_fail_a_job(database: Database, claimed: tuple[int, int, int]) -> None:
    node, suspect, bystander = claimed
    for job_id in (suspect, bystander):
        set_job(database, job_id, {"poison_count": MAX_POISONINGS})
    hand_back(database, node, suspect)
    job = get_job(database, suspect)
    assert (job.status, job.poison_count) == ("failed", MAX_POISONINGS + 1)
    assert job.error_message == "the service died or hung 6 times while it ran this job"
    assert job.completed_at is not None
    assert get_job(database, bystander).status == "pending"


def test_what_is_open_in_a_job_that_was_poisoned_stays_unknown(
    database: Database, claimed: tuple[int, int, int]
) -> None:
    node, suspect, _ = claimed
    set_job(database, suspect, {"poison_count": MAX_POISONINGS})
    with database.session.begin() as session:
        session.add(MarketplaceTask(job_id=suspect, name="a", status="started", fence=0))
    hand_back(database, node, suspect)
    with database.session() as session:
        assert session.query(MarketplaceTask).one().status == "unknown"


def test_a_run_that_recorded_something_new_is_no_suspect(
    database: Database, claimed: tuple[int, int, int]
) -> None:
    from sqlalchemy import text

    node, suspect, _ = claimed
    with database.session.begin() as session:
        session.execute(
            text(
                "INSERT INTO marketplace_runtime.marketplace_tasks (job_id, name, status, fence) "
                "VALUES (:job, 'a', 'succeeded', 1)"
            ),
            {"job": suspect},
        )
    hand_back(database, node, suspect)
    assert get_job(database, suspect).poison_count == 0
