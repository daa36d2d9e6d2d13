"""Steps through a whole node: done once, recorded, looked up before they are tried again."""

from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy.orm import Session
from werkzeug import Request, Response

from runtime import ActionType, BaseJobHandler, Job, Marketplace
from runtime.errors import CallRejected, CannotTell
from runtime.messages import marketplace_actor
from runtime.process.config import Settings
from runtime.products.product import checked_product
from runtime.storage.models import MarketplaceTask, Shop
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop, get_job, set_job
from tests.support.deadline import wait_until
from tests.support.processes.running_node import Scene, StartNode, registry_of, running_node

AT_ONCE = ActionType("do", "Do", rate_limit=timedelta(0), max_retries=3)
SOON = timedelta(milliseconds=50)
PRODUCT = {"sku": "a", "title": "Jeans", "price": "12.50"}


@pytest.fixture
def run(settings: Settings, database: Database, httpserver: HTTPServer) -> StartNode:
    """Start a node with that handler; calls go to the test's own server."""

    def start(handler: type[BaseJobHandler]) -> AbstractContextManager[Scene]:
        marketplace = Marketplace(
            "example", base_url=httpserver.url_for(""), action_types=(AT_ONCE,)
        )
        registry = registry_of(marketplace, handlers={("do", "example"): handler})
        return running_node(settings, database, registry)

    return start


@pytest.fixture(autouse=True)
def _no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.runs.settlement.FIRST_DELAY", timedelta(milliseconds=10))


def new_job(scene: Scene, **more: Any) -> int:
    return add_job(scene.database, add_shop(scene.database, "example"), "do", "example", **more)


def steps(scene: Scene, job_id: int) -> dict[str, MarketplaceTask]:
    with scene.database.session() as session:
        rows = session.query(MarketplaceTask).filter_by(job_id=job_id).order_by("id")
        return {row.name: row for row in rows}


def answers(httpserver: HTTPServer, path: str, *given: object) -> None:
    """Answer that path with these one after the other; an int is a status."""
    left = list(given)

    def answer(_request: Request) -> Response:
        one = left.pop(0)
        if isinstance(one, int):
            return Response("no", one)
        return Response(__import__("json").dumps(one), content_type="application/json")

    httpserver.expect_request(path).respond_with_handler(answer)


def writes(httpserver: HTTPServer, path: str) -> int:
    return sum(request.path == path for request, _ in httpserver.log)


def test_a_step_that_was_done_is_not_done_again(run: StartNode, httpserver: HTTPServer) -> None:
    answers(httpserver, "/create", {"id": 1})
    answers(httpserver, "/check", 503, {"fine": True})

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            made = await self.step("create", self.call_http("POST", "/create"))
            await self.step("check", self.call_http("GET", "/check"))
            return {"made": made, "attempt": job.retry_count}

    with run(Do) as scene:
        job_id = new_job(scene)
        job = scene.ended(job_id)
        assert job.result_data == {"made": {"id": 1}, "attempt": 1}
        recorded = steps(scene, job_id)
    assert writes(httpserver, "/create") == 1
    assert {name: row.status for name, row in recorded.items()} == {
        "create": "succeeded", "check": "succeeded",
    }  # fmt: skip
    assert recorded["create"].task_type == "http"
    assert (recorded["create"].request or {})["path"] == "/create"
    assert recorded["create"].fence == 1


def test_a_failure_that_the_handler_catches_is_raised_again(
    run: StartNode, httpserver: HTTPServer
) -> None:
    answers(httpserver, "/maybe", 404)
    answers(httpserver, "/check", 503, {"fine": True})
    seen = []

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            try:
                await self.step("maybe", self.call_http("GET", "/maybe"))
            except CallRejected as error:
                seen.append((error.status, str(error)))
            await self.step("check", self.call_http("GET", "/check"))
            return {}

    with run(Do) as scene:
        assert scene.ended(new_job(scene)).status == "completed"
    assert seen == [(404, "GET /maybe answered 404: no")] * 2
    assert writes(httpserver, "/maybe") == 1


def test_a_write_that_happened_although_it_was_answered_500_is_adopted(
    run: StartNode, httpserver: HTTPServer
) -> None:
    answers(httpserver, "/create", 500)
    answers(httpserver, "/find", {"id": 7})

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> Any:
            return await self.step(
                "create",
                self.call_http("POST", "/create"),
                reconcile=lambda: self.call_http("GET", "/find"),
            )

    with run(Do) as scene:
        job = scene.ended(new_job(scene))
    assert (job.status, job.result_data, job.retry_count) == ("completed", {"id": 7}, 0)
    assert writes(httpserver, "/create") == 1


def test_a_no_counts_only_after_the_write_has_settled(
    run: StartNode, httpserver: HTTPServer
) -> None:
    answers(httpserver, "/create", 500)
    answers(httpserver, "/find", None, None, {"id": 7})

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> Any:
            return await self.step(
                "create",
                self.call_http("POST", "/create", settles_within=0.4),
                reconcile=self.find,
            )

        async def find(self) -> Any:
            await self.sleep(0.15)
            return await self.call_http("GET", "/find")

    with run(Do) as scene:
        job = scene.ended(new_job(scene))
    # Looked at once, again when it had settled; the second "no" was the answer.
    assert writes(httpserver, "/find") == 2 + (job.result_data is not None)
    assert job.retry_count == 1 or job.result_data == {"id": 7}


def test_a_write_that_did_not_happen_is_done_again(run: StartNode, httpserver: HTTPServer) -> None:
    answers(httpserver, "/create", 500, {"id": 8})
    answers(httpserver, "/find", None, None, None)

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> Any:
            return await self.step(
                "create",
                self.call_http("POST", "/create", settles_within=SOON),
                reconcile=lambda: self.call_http("GET", "/find"),
            )

    with run(Do) as scene:
        job_id = new_job(scene)
        job = scene.ended(job_id)
        assert steps(scene, job_id)["create"].status == "succeeded"
    assert (job.status, job.result_data, job.retry_count) == ("completed", {"id": 8}, 1)
    assert writes(httpserver, "/create") == 2


@pytest.mark.parametrize("how", ["nothing declared", "cannot tell"])
def test_a_person_is_asked_where_nobody_can_tell(
    run: StartNode, httpserver: HTTPServer, how: str
) -> None:
    answers(httpserver, "/create", 500)

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> Any:
            reconcile = None if how == "nothing declared" else self.look
            return await self.step("create", self.call_http("POST", "/create"), reconcile=reconcile)

        async def look(self) -> None:
            raise CannotTell("the list is empty for everybody")

    with run(Do) as scene:
        job_id = new_job(scene)
        job = scene.reaches(job_id, "paused")
        assert "did step 'create' take effect on example?" in (job.waiting_reason or "")
        assert steps(scene, job_id)["create"].status == "unknown"
    assert writes(httpserver, "/create") == 1


def test_steps_in_branches_are_each_done_once(run: StartNode, httpserver: HTTPServer) -> None:
    for number in range(5):
        answers(httpserver, f"/image/{number}", *([503] if number == 3 else []), {"n": number})

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> Any:
            return await self.gather(
                *[
                    self.step(f"image-{n}", self.call_http("PUT", f"/image/{n}"), repeatable=True)
                    for n in range(5)
                ]
            )

    with run(Do) as scene:
        job = scene.ended(new_job(scene))
    assert job.result_data == [{"n": number} for number in range(5)]
    assert [writes(httpserver, f"/image/{number}") for number in range(5)] == [1, 1, 1, 2, 1]


def test_a_transaction_is_a_step(run: StartNode, httpserver: HTTPServer) -> None:
    answers(httpserver, "/check", 503, {"fine": True})
    calls = []

    def rename(session: Session, shop_id: int) -> dict[str, Any]:
        calls.append(shop_id)
        session.get_one(Shop, shop_id).name = f"renamed {len(calls)}"
        return {"calls": len(calls)}

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> Any:
            done = await self.transaction("rename", rename, self.shop_id)
            await self.step("check", self.call_http("GET", "/check"))
            return done

    with run(Do) as scene:
        job_id = new_job(scene)
        assert scene.ended(job_id).result_data == {"calls": 1}
        assert steps(scene, job_id)["rename"].task_type == "transaction"
    assert len(calls) == 1


def test_a_run_whose_actor_dies_goes_on_at_its_step(run: StartNode, httpserver: HTTPServer) -> None:
    import threading

    answers(httpserver, "/create", {"id": 1})
    waiting, go_on = threading.Event(), threading.Event()

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            made = await self.step("create", self.call_http("POST", "/create"))
            waiting.set()
            await self.run_blocking(go_on.wait, 60)
            return {"made": made, "fence": job.fence}

    with run(Do) as scene:
        job_id = new_job(scene)
        assert waiting.wait(60)
        scene.kill(marketplace_actor("example"))
        go_on.set()
        job = scene.ended(job_id)
    assert job.result_data == {"made": {"id": 1}, "fence": 2}
    assert writes(httpserver, "/create") == 1


def test_a_run_that_lost_its_job_sends_no_write(run: StartNode, httpserver: HTTPServer) -> None:
    import threading

    answers(httpserver, "/create", {"id": 1})
    waiting, go_on = threading.Event(), threading.Event()

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> None:
            waiting.set()
            await self.run_blocking(go_on.wait, 60)
            await self.step("create", self.call_http("POST", "/create"))

    with run(Do) as scene:
        job_id = new_job(scene)
        assert waiting.wait(60)
        set_job(scene.database, job_id, {"fence": 9})
        go_on.set()
        actor = scene.marketplace("example")
        wait_until(lambda: not actor._runs)
        assert get_job(scene.database, job_id).status == "running"
        assert steps(scene, job_id) == {}
    assert writes(httpserver, "/create") == 0


def test_changed_code_is_noticed(run: StartNode, httpserver: HTTPServer) -> None:
    answers(httpserver, "/create", {"id": 1})
    answers(httpserver, "/check", 503)
    attempts = []

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            attempts.append(1)
            if len(attempts) == 1:
                await self.step("create", self.call_http("POST", "/create"))
                await self.call_http("GET", "/check")
            return {}

    with run(Do) as scene:
        job = scene.reaches(new_job(scene), "paused")
    assert "handler's code changed" in (job.waiting_reason or "")
    assert "'create'" in (job.waiting_reason or "")


def test_the_live_run_gets_the_value_as_it_is_recorded(run: StartNode) -> None:
    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            value = await self.step("value", self.make)
            return {"type": type(value["pair"]).__name__, "keys": list(value)}

        async def make(self) -> dict[object, object]:
            return {"pair": (1, 2), 3: "three"}

    with run(Do) as scene:
        job = scene.ended(new_job(scene))
    assert job.result_data == {"type": "list", "keys": ["3", "pair"]}


def test_a_node_that_was_held_up_sends_nothing_and_uses_up_no_attempt(
    run: StartNode, httpserver: HTTPServer
) -> None:
    answers(httpserver, "/create", {"id": 1})

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> Any:
            return await self.step("create", self.call_http("POST", "/create"))

    with run(Do) as scene, pytest.MonkeyPatch.context() as held_up:
        lease = scene.node._lease
        held_up.setattr(lease, "renew", lambda asked_at: None)
        lease.until -= timedelta(minutes=1)
        job_id = new_job(scene, max_retries=0)
        wait_until(lambda: get_job(scene.database, job_id).snooze_count)
        assert writes(httpserver, "/create") == 0
        held_up.undo()
        job = scene.ended(job_id)
    assert (job.status, job.retry_count) == ("completed", 0)
    assert writes(httpserver, "/create") == 1


def test_a_product_is_as_it_was_when_the_job_first_started(
    run: StartNode, httpserver: HTTPServer
) -> None:
    answers(httpserver, "/check", 503, {})
    seen = []

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            seen.append(self.product)
            await self.call_http("GET", "/check")
            return {}

    with run(Do) as scene:
        scene.ended(new_job(scene, input_data={"product": PRODUCT}))
    assert seen == [checked_product(PRODUCT)] * 2
