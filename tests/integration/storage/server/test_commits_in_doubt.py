"""The connection breaks around COMMIT: whether it was committed is not known, and found out."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy.orm import Session

from runtime import ActionType, BaseJobHandler, Job, Marketplace
from runtime.errors import DatabaseUnavailable
from runtime.process.config import Settings
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop
from tests.support.deadline import wait_until
from tests.support.processes.running_node import registry_of, running_node

NAMES = ("claim", "intend", "record", "transaction", "progress", "settle", "heartbeat", "rescue")
AT_ONCE = ActionType("do", "Do", rate_limit=timedelta(0), max_retries=0)


class Publish(BaseJobHandler):
    """Everything that a run commits."""

    async def execute(self, job: Job) -> dict[str, Any]:
        made = await self.step("create", self.call_http("POST", "/create"))
        await self.progress(1, 2)
        noted = await self.transaction("note", lambda session: {"noted": True})
        return {**made, **noted}


def break_once(monkeypatch: pytest.MonkeyPatch, broken: str, *, committed: bool) -> list[str]:
    """Break the connection at the next commit of that name."""
    sound = Database.transaction
    breaks: list[str] = []

    @contextmanager
    def transaction(self: Database, name: str) -> Iterator[Session]:
        if name != broken or breaks:
            with sound(self, name) as session:
                yield session
            return
        breaks.append(name)
        with sound(self, name) as session:
            yield session
            if not committed:
                raise DatabaseUnavailable("the connection broke")
        raise DatabaseUnavailable("the connection broke")

    monkeypatch.setattr(Database, "transaction", transaction)
    return breaks


@pytest.mark.parametrize("committed", [False, True], ids=["rolled back", "committed"])
@pytest.mark.parametrize("name", NAMES)
def test_a_commit_without_an_answer_costs_nothing(
    settings: Settings,
    database: Database,
    httpserver: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    committed: bool,
) -> None:
    httpserver.expect_request("/create", "POST").respond_with_json({"id": 1})
    example = Marketplace("example", base_url=httpserver.url_for(""), action_types=(AT_ONCE,))
    registry = registry_of(example, handlers={("do", "example"): Publish})
    with running_node(settings, database, registry) as scene:
        shop = add_shop(database, "example")
        breaks = break_once(monkeypatch, name, committed=committed)
        job = scene.ended(add_job(database, shop, "do", "example"))
        assert wait_until(lambda: breaks) == [name]
    assert (job.status, job.result_data) == ("completed", {"id": 1, "noted": True})
    assert len(httpserver.log) == 1
