"""A person's answer to what the service could not tell."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import text

from runtime import ActionType, BaseJobHandler, Job, Marketplace
from runtime.errors import IllegalTransition, InputError
from runtime.jobs.service import MarketplaceJobService
from runtime.process.config import Settings
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop
from tests.support.processes.running_node import Scene, registry_of, running_node


class Do(BaseJobHandler):
    """Two writes that nobody can look up."""

    async def execute(self, job: Job) -> dict[str, Any]:
        first = await self.step("first", self.call_http("POST", "/first"))
        second = await self.step("second", self.call_http("POST", "/second"))
        return {"first": first, "second": second}


@pytest.fixture
def scene(settings: Settings, database: Database, httpserver: HTTPServer) -> Iterator[Scene]:
    action = ActionType("do", "Do", rate_limit=timedelta(0))
    marketplace = Marketplace("example", base_url=httpserver.url_for(""), action_types=(action,))
    with running_node(
        settings, database, registry_of(marketplace, handlers={("do", "example"): Do})
    ) as running:
        yield running


def let_it_settle(scene: Scene, job_id: int) -> None:
    with scene.database.session.begin() as session:
        session.execute(
            text(
                "UPDATE marketplace_runtime.marketplace_tasks "
                "SET settles_at = clock_timestamp() WHERE job_id = :id"
            ),
            {"id": job_id},
        )


def answer(scene: Scene, job_id: int, step: str, happened: Any = None) -> None:
    with scene.database.session.begin() as session:
        MarketplaceJobService(session).answer_step(job_id, step, happened=happened)


@pytest.fixture
def asking(scene: Scene, httpserver: HTTPServer) -> int:
    """A job that waits for an answer about its first step."""
    httpserver.expect_oneshot_request("/first").respond_with_data("oops", 500)
    httpserver.expect_request("/first").respond_with_json({"id": 2})
    httpserver.expect_request("/second").respond_with_json({"id": 5})
    job_id = add_job(scene.database, add_shop(scene.database, "example"), "do", "example")
    scene.reaches(job_id, "paused")
    return job_id


def count(httpserver: HTTPServer, path: str) -> int:
    return sum(request.path == path for request, _ in httpserver.log)


def test_what_happened_is_taken_over_and_the_job_goes_on(
    scene: Scene, asking: int, httpserver: HTTPServer
) -> None:
    answer(scene, asking, "first", {"id": 1})
    assert scene.ended(asking).result_data == {"first": {"id": 1}, "second": {"id": 5}}
    assert count(httpserver, "/first") == 1


def test_what_did_not_happen_is_done_again(
    scene: Scene, asking: int, httpserver: HTTPServer
) -> None:
    let_it_settle(scene, asking)
    answer(scene, asking, "first")
    assert scene.ended(asking).result_data == {"first": {"id": 2}, "second": {"id": 5}}
    assert count(httpserver, "/first") == 2


def test_that_it_did_not_happen_is_refused_until_the_write_has_settled(
    scene: Scene, asking: int, httpserver: HTTPServer
) -> None:
    with pytest.raises(InputError, match=r"'first' .* can still take effect until .* UTC: look"):
        answer(scene, asking, "first")
    assert scene.reaches(asking, "paused").waiting_reason
    assert count(httpserver, "/first") == 1
    let_it_settle(scene, asking)
    answer(scene, asking, "first")
    scene.ended(asking)
    assert count(httpserver, "/first") == 2


def test_resuming_without_an_answer_asks_again(
    scene: Scene, asking: int, httpserver: HTTPServer
) -> None:
    with scene.database.session.begin() as session:
        MarketplaceJobService(session).resume_job(asking)
    job = scene.reaches(asking, "paused")
    assert "did step 'first' take effect" in (job.waiting_reason or "")
    assert count(httpserver, "/first") == 1


def test_an_answer_must_name_a_step_that_is_open(scene: Scene, asking: int) -> None:
    with pytest.raises(InputError, match="open are: first"):
        answer(scene, asking, "second")


def test_only_a_paused_job_takes_answers(scene: Scene, asking: int) -> None:
    answer(scene, asking, "first", {"id": 1})
    scene.ended(asking)
    with pytest.raises(IllegalTransition, match="completed"):
        answer(scene, asking, "first")


def test_the_steps_of_a_job_are_counted(scene: Scene, asking: int) -> None:
    with scene.database.session() as session:
        service = MarketplaceJobService(session)
        assert service.get_job_progress(asking) == {
            "total": 1, "completed": 0, "failed": 0, "pending": 1, "progress_percent": 0.0,
        }  # fmt: skip
        assert [step.name for step in service.get_job_tasks(asking)] == ["first"]
