"""Jobs through a whole node: database, actors, HTTP, worker pool, and back."""

import itertools
import threading
import time
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug import Request, Response

from runtime import ActionType, BaseJobHandler, Job, JobCancelled, JobFailed, Marketplace, Snooze
from runtime.errors import CallRejected, StepFailed
from runtime.handlers.registry import Registry
from runtime.jobs.schedule_service import ScheduleService
from runtime.jobs.service import MarketplaceJobService
from runtime.process.config import Settings
from runtime.storage.models import JobSchedule, MarketplaceJob, Shop
from runtime.storage.server.engine import Database
from tests.support.attempts import holds_in_some_attempt
from tests.support.database.job_rows import add_job, add_shop, get_job, result_of, set_job
from tests.support.deadline import wait_until
from tests.support.processes.running_node import Scene, StartNode, registry_of, running_node


def example(handler: type[BaseJobHandler], **fields: Any) -> Registry:
    """A registry of one marketplace with one action, ``do``, without pace."""
    fields.setdefault(
        "action_types", (ActionType("do", "Do", rate_limit=timedelta(0), max_retries=2),)
    )
    return registry_of(Marketplace("example", **fields), handlers={("do", "example"): handler})


@pytest.fixture
def run(settings: Settings, database: Database) -> StartNode:
    """Start a node with that handler, and a shop of user 7."""

    def start(handler: type[BaseJobHandler], **fields: Any) -> AbstractContextManager[Scene]:
        return running_node(settings, database, example(handler, **fields))

    return start


def new_job(scene: Scene, user_id: int = 7, **more: Any) -> int:
    shop = add_shop(scene.database, "example", user_id)
    return add_job(scene.database, shop, "do", "example", **more)


def test_a_job_runs_and_its_result_is_kept(run: StartNode) -> None:
    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            await self.progress(1, 2, "half")
            return {"success": True, "input": job.input_data, "user": self.user_id}

    with run(Do) as scene:
        job = scene.ended(new_job(scene, input_data={"a": 1}))
    assert job.status == "completed"
    assert job.result_data == {"success": True, "input": {"a": 1}, "user": 7}
    assert job.progress == {"current": 1, "total": 2, "message": "half"}
    assert job.started_at is not None
    assert job.completed_at is not None
    assert job.started_at <= job.completed_at


def test_a_job_that_was_created_before_the_service_is_found(
    run: StartNode, database: Database, settings: Settings
) -> None:
    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            return {}

    with run(Do) as scene:
        first = new_job(scene)
        scene.ended(first)
    late = add_job(database, get_job(database, first).shop_id, "do", "example")
    with run(Do) as scene:
        assert scene.ended(late).status == "completed"


def test_a_handler_that_raises_is_tried_again_with_its_traceback_kept(run: StartNode) -> None:
    attempts = []

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> None:
            attempts.append(job.retry_count)
            raise ValueError("no luck")

    with run(Do) as scene:
        job_id = new_job(scene, max_retries=1)
        wait_until(lambda: get_job(scene.database, job_id).retry_count == 1)
        scene.reaches(job_id, "pending", "failed", "running")
        set_job(scene.database, job_id, {"run_at": datetime.now(UTC)})
        job = scene.ended(job_id)
    assert attempts == [0, 1]
    assert job.status == "failed"
    assert 'raise ValueError("no luck")' in (job.error_message or "")


def test_a_verdict_of_the_handler_is_final(run: StartNode) -> None:
    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> None:
            await self.step("check", self.check)

        async def check(self) -> None:
            raise JobFailed("the product has no price")

    with run(Do) as scene:
        job = scene.ended(new_job(scene))
    assert (job.status, job.error_message, job.retry_count, job.failed_step) == (
        "failed", "the product has no price", 0, "check",
    )  # fmt: skip


def test_a_snooze_uses_up_no_attempt(run: StartNode) -> None:
    runs = []

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            runs.append(job.fence)
            if len(runs) == 1:
                raise Snooze(datetime.now(UTC) + timedelta(milliseconds=200), "not yet")
            return {}

    with run(Do) as scene:
        job = scene.ended(new_job(scene))
    assert (job.status, job.snooze_count, job.retry_count) == ("completed", 1, 0)
    assert runs == [1, 2]


def test_an_unknown_action_fails_by_name(run: StartNode) -> None:
    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            return {}

    with run(Do, action_types=(ActionType("do", "Do"), ActionType("else", "Else"))) as scene:
        shop = add_shop(scene.database, "example")
        job = scene.ended(add_job(scene.database, shop, "else", "example"))
    assert job.status == "failed"
    assert (job.error_message or "").startswith("Unknown action: else_example")


def test_calls_reach_the_marketplace_over_http(run: StartNode, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/things", "POST", json={"n": 1}).respond_with_json({"id": 5})
    httpserver.expect_request("/gone").respond_with_data("no such thing", 404)

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any] | None:
            made = await self.call_http("POST", "/things", json={"n": 1})
            try:
                await self.call_http("GET", "/gone")
            except CallRejected as error:
                return {"id": made["id"], "status": error.status, "error": str(error)}
            return None

    with run(Do, base_url=httpserver.url_for("")) as scene:
        job = scene.ended(new_job(scene))
    assert job.result_data == {
        "id": 5, "status": 404, "error": "GET /gone answered 404: no such thing",
    }  # fmt: skip


def test_a_write_whose_outcome_is_unknown_waits_for_a_person(
    run: StartNode, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/things", "POST").respond_with_data("oops", 500)

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> None:
            await self.call_http("POST", "/things", json={})

    with run(Do, base_url=httpserver.url_for("")) as scene:
        job = scene.reaches(new_job(scene), "paused")
        assert "did step 'call-1' take effect on example?" in (job.waiting_reason or "")
        assert len(httpserver.log) == 1


def test_blocking_work_and_transactions_run_on_the_worker_pool(run: StartNode) -> None:
    def rename(session: Session, shop_id: int, name: str) -> dict[str, Any]:
        session.get_one(Shop, shop_id).name = name
        return {"renamed": shop_id}

    def spoil(session: Session, shop_id: int) -> None:
        session.get_one(Shop, shop_id).name = "spoilt"
        session.flush()
        raise RuntimeError("after the write")

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any] | None:
            thread = await self.run_blocking(lambda: threading.current_thread().name)
            done = await self.transaction("rename", rename, self.shop_id, "Atelier")
            try:
                await self.transaction("spoil", spoil, self.shop_id)
            except StepFailed as error:
                return {"thread": thread, **done, "error": str(error)}
            return None

    with run(Do) as scene:
        job = scene.ended(new_job(scene))
        with scene.database.session() as session:
            assert session.get_one(Shop, job.shop_id).name == "Atelier"
    assert result_of(job)["thread"].startswith("worker-")
    assert result_of(job)["error"] == "RuntimeError: after the write"


def test_a_transaction_of_a_run_that_lost_its_job_is_rolled_back(run: StartNode) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def rename(session: Session, shop_id: int) -> None:
        session.get_one(Shop, shop_id).name = "too late"
        entered.set()
        go_on.wait(60)

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            if job.fence == 1:
                await self.transaction("rename", rename, self.shop_id)
            return {"fence": job.fence}

    with run(Do) as scene:
        job_id = new_job(scene)
        assert entered.wait(60)
        set_job(scene.database, job_id, {"fence": 5})
        go_on.set()
        # The former run leaves the job alone; it is whoever's claimed it: here, nobody's.
        actor = scene.marketplace("example")
        wait_until(lambda: not actor._runs)
        job = get_job(scene.database, job_id)
        assert (job.status, job.fence) == ("running", 5)
        with scene.database.session() as session:
            assert session.get_one(Shop, job.shop_id).name is None


def test_jobs_of_a_lane_run_in_the_order_of_their_priority(run: StartNode) -> None:
    order = []
    first_runs, go_on = threading.Event(), threading.Event()

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            order.append(job.priority)
            first_runs.set()
            await self.run_blocking(go_on.wait, 60)
            return {}

    with run(Do, lane_concurrency=1) as scene:
        new_job(scene, priority=2)
        assert first_runs.wait(60)
        ids = [new_job(scene, priority=priority) for priority in (4, 1, 3, 2)]
        go_on.set()
        for job_id in ids:
            scene.ended(job_id)
    assert order == [2, 1, 2, 3, 4]


def test_the_pace_of_an_action_is_kept_for_each_shop(
    run: StartNode, httpserver: HTTPServer
) -> None:
    arrivals: list[float] = []

    def arrive(_request: Request) -> Response:
        arrivals.append(time.monotonic())
        return Response("{}")

    httpserver.expect_request("/").respond_with_handler(arrive)

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            await self.gather(*[self.call_http("GET", "/") for _ in range(3)])
            return {}

    pace = ActionType("do", "Do", rate_limit=timedelta(milliseconds=200))
    with run(Do, base_url=httpserver.url_for(""), action_types=(pace,)) as scene:

        def measure() -> None:
            arrivals.clear()
            for job_id in [new_job(scene), new_job(scene)]:
                scene.ended(job_id)
            gaps = [later - earlier for earlier, later in itertools.pairwise(arrivals)]
            assert len(arrivals) == 6
            # Between arrivals, a call can take less time on its way than the one before it.
            assert min(gaps) > 0.18

        holds_in_some_attempt(measure)


def test_a_running_job_is_cancelled_at_its_await_and_may_clean_up(run: StartNode) -> None:
    running = threading.Event()
    seen = []

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> None:
            try:
                running.set()
                await self.sleep(60)
            except JobCancelled:
                seen.append("cancelled")
                raise
            finally:
                seen.append(await self.run_blocking(lambda: "cleaned up"))

    with run(Do) as scene:
        job_id = new_job(scene)
        assert running.wait(60)
        with scene.database.session.begin() as session:
            MarketplaceJobService(session).cancel_job(job_id)
        job = scene.ended(job_id)
    assert job.status == "cancelled"
    assert seen == ["cancelled", "cleaned up"]


def test_a_marketplace_actor_killed_by_an_exception_is_restarted_and_its_jobs_finish(
    run: StartNode,
) -> None:
    running, go_on = threading.Event(), threading.Event()

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            running.set()
            await self.run_blocking(go_on.wait, 60)
            return {"fence": job.fence}

    with run(Do) as scene:
        ids = [new_job(scene) for _ in range(5)]
        assert running.wait(60)
        actor = scene.marketplace("example")
        vars(actor)["_lanes"] = None
        scene.node._directory.tell(actor.name, object())
        wait_until(lambda: not actor.actor_ref.is_alive())
        go_on.set()
        jobs = [scene.ended(job_id) for job_id in ids]
        assert scene.marketplace("example").incarnation == 2
    assert {job.status for job in jobs} == {"completed"}
    assert {job.retry_count for job in jobs} == {0}


@pytest.mark.parametrize("name", ["supervisor", "recorder", "http", "bridge"])
def test_any_actor_can_fail_and_jobs_still_finish(run: StartNode, name: str) -> None:
    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            return {}

    with run(Do) as scene:
        scene.ended(new_job(scene))
        scene.kill(name)
        assert scene.ended(new_job(scene)).status == "completed"
        wait_until(lambda: scene.actor(name))


def test_a_handler_that_holds_the_actor_is_named(
    run: StartNode, capsys: pytest.CaptureFixture[str]
) -> None:
    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            time.sleep(0.15)
            return {}

    with run(Do) as scene:
        scene.ended(new_job(scene))
    out = capsys.readouterr()
    assert "handler held the actor" in out.out + out.err
    assert "do_example" in out.out + out.err


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt()])
def test_a_handler_that_wants_to_end_the_process_ends_only_its_job(
    run: StartNode, error: BaseException
) -> None:
    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> None:
            raise error

    with run(Do) as scene:
        assert scene.ended(new_job(scene, max_retries=0)).status == "failed"
        assert scene.marketplace("example").incarnation == 1


def test_what_cannot_end_in_time_is_handed_back_without_an_attempt(
    settings: Settings, database: Database
) -> None:
    running = threading.Event()

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> None:
            running.set()
            await self.sleep(60)

    with running_node(settings, database, example(Do), drain_seconds=0.3) as scene:
        job_id = new_job(scene)
        assert running.wait(60)
        scene.reaches(job_id, "running")
    job = get_job(database, job_id)
    assert (job.status, job.retry_count, job.node_id) == ("pending", 0, None)


def test_what_can_end_in_time_is_ended(settings: Settings, database: Database) -> None:
    running = threading.Event()

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            running.set()
            await self.sleep(0.5)
            return {}

    with running_node(settings, database, example(Do)) as scene:
        job_id = new_job(scene)
        assert running.wait(60)
    assert get_job(database, job_id).status == "completed"


def test_a_thousand_jobs_of_many_shops_are_each_run_once(run: StartNode) -> None:
    seen = []

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            await self.sleep(0.01)
            seen.append(job.id)
            return {}

    with run(Do) as scene:
        with scene.database.session.begin() as session:
            service = MarketplaceJobService(session)
            shops = [service.add_shop("example", user, str(user)).id for user in range(1, 51)]
            for number in range(1000):
                service.create_job("example", "do", shop_id=shops[number % 50])

        def left() -> int:
            with scene.database.session() as session:
                unfinished = select(func.count()).where(MarketplaceJob.status != "completed")
                return session.scalars(unfinished).one()

        wait_until(lambda: left() == 0)
    assert len(seen) == len(set(seen)) == 1000


def test_a_schedule_that_another_process_adds_fires_at_its_time(run: StartNode) -> None:
    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            return {"success": True}

    with run(Do) as scene:
        add_shop(scene.database, "example")
        with scene.database.session.begin() as session:
            schedule = ScheduleService(session).add_schedule("s", "0 0 1 1 *", "example", "do")
            schedule.next_run_at = datetime.now(UTC) + timedelta(seconds=0.3)
        job_id = wait_until(lambda: _schedule(scene).last_job_id)
        assert scene.ended(job_id).status == "completed"


def _schedule(scene: Scene) -> JobSchedule:
    with scene.database.session() as session:
        return session.query(JobSchedule).one()
