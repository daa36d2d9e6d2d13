"""Misfortunes around a running node, which cost nobody else anything."""

import signal
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import text

from runtime import ActionType, BaseJobHandler, Job, JobFailed, Marketplace, Snooze
from runtime.jobs.service import MarketplaceJobService
from runtime.process.config import Settings
from runtime.storage.models import RuntimeNode
from runtime.storage.nodes.heartbeat import Heartbeat
from runtime.storage.schema.migrator import migrate
from runtime.storage.server.engine import Database, open_database
from tests.support.database.job_rows import add_job, add_shop, get_job, set_job
from tests.support.deadline import wait_until
from tests.support.processes.running_node import Scene, registry_of, running_node

DO = ActionType("do", "Do", rate_limit=timedelta(0), max_retries=0)


class Idle(BaseJobHandler):
    """Does nothing."""

    async def execute(self, job: Job) -> dict[str, Any]:
        return {}


def node_of(
    settings: Settings, database: Database, **handlers: type[BaseJobHandler]
) -> AbstractContextManager[Scene]:
    """A node with one marketplace for each handler."""
    return running_node(
        settings,
        database,
        registry_of(
            *[Marketplace(name, action_types=(DO,)) for name in handlers],
            handlers={("do", name): handler for name, handler in handlers.items()},
        ),
    )


def new_job(scene: Scene, marketplace: str, **more: Any) -> int:
    return add_job(scene.database, add_shop(scene.database, marketplace), "do", marketplace, **more)


class Waits(BaseJobHandler):
    """Ends when it is let go."""

    running = threading.Event()
    go_on = threading.Event()

    async def execute(self, job: Job) -> dict[str, Any]:
        self.running.set()
        await self.run_blocking(self.go_on.wait, 60)
        return {"fence": job.fence}


@pytest.fixture(autouse=True)
def _fresh_events() -> Iterator[None]:
    Waits.running.clear()
    Waits.go_on.clear()
    yield
    Waits.go_on.set()


def test_a_row_that_an_application_holds_does_not_hold_up_other_endings(
    settings: Settings, database: Database
) -> None:
    with node_of(settings, database, slow=Waits, quick=Idle) as scene:
        held = new_job(scene, "slow")
        assert Waits.running.wait(60)
        with database.engine.begin() as application:
            application.execute(
                text("SELECT 1 FROM marketplace_runtime.marketplace_jobs WHERE id = :i FOR UPDATE"),
                {"i": held},
            )
            Waits.go_on.set()
            assert scene.ended(new_job(scene, "quick")).status == "completed"
            assert get_job(database, held).status == "running"
        assert scene.ended(held).result_data == {"fence": 1}


class Sleeps(BaseJobHandler):
    """Would take a minute."""

    async def execute(self, job: Job) -> None:
        await self.sleep(60)


def test_a_cancellation_whose_announcement_got_lost_is_heard(
    settings: Settings, database: Database
) -> None:
    with node_of(settings, database, slow=Sleeps) as scene:
        job_id = new_job(scene, "slow")
        scene.reaches(job_id, "running")
        set_job(database, job_id, {"cancel_requested": True})
        assert scene.ended(job_id).status == "cancelled"


def test_a_claim_that_never_reached_its_actor_is_handed_back(
    settings: Settings, database: Database
) -> None:
    with node_of(settings, database, quick=Idle) as scene:
        job_id = new_job(scene, "quick")
        scene.ended(job_id)
        set_job(
            database,
            job_id,
            {
                "status": "running",
                "fence": 7,
                "node_id": scene.node._node_id,
                "completed_at": None,
            },
        )
        assert scene.ended(job_id).fence == 8


class Unreadable(JobFailed):
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise AttributeError("nothing of that name")


class Shy:
    """Cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    def __await__(self) -> Generator[Any, Any, None]:
        yield self


def raising(error: BaseException) -> Callable[..., Any]:
    async def execute(self: BaseJobHandler, job: Job) -> None:
        raise error

    return execute


async def awaits_something_shy(self: BaseJobHandler, job: Job) -> None:
    await Shy()


async def reports_nonsense(self: BaseJobHandler, job: Job) -> None:
    nonsense: Any = (object(), "x", object())
    await self.progress(*nonsense)


async def sends_something_shy(self: BaseJobHandler, job: Job) -> None:
    await self.step("shy", self.call_http("POST", "https://127.0.0.1:1/", json=Shy()))


@pytest.mark.parametrize(
    "execute",
    [
        raising(Unreadable("x")),
        raising(type("Odd", (Exception,), {"__str__": lambda self: 1})()),
        awaits_something_shy,
        reports_nonsense,
        sends_something_shy,
    ],
)
def test_an_odd_handler_ends_its_own_job_only(
    settings: Settings, database: Database, execute: Callable[..., Any]
) -> None:
    odd = type("Odd", (BaseJobHandler,), {"execute": execute})
    with node_of(settings, database, odd=odd) as scene:
        job = scene.ended(new_job(scene, "odd"))
        assert job.status == "failed"
        assert job.error_message
        assert scene.marketplace("odd").incarnation == 1


def test_a_snooze_until_the_end_of_time_can_be_shown_and_cancelled(
    settings: Settings, database: Database
) -> None:
    handler = type(
        "Sleepy",
        (BaseJobHandler,),
        {"execute": raising(Snooze(datetime.max.replace(tzinfo=UTC)))},
    )
    with node_of(settings, database, sleepy=handler) as scene:
        job_id = new_job(scene, "sleepy")
        wait_until(lambda: get_job(database, job_id).snooze_count)
        with database.session.begin() as session:
            MarketplaceJobService(session).cancel_job(job_id)
        assert scene.ended(job_id).run_at.year < 9999


def test_functions_that_block_hold_up_no_other_marketplace(
    settings: Settings, database: Database
) -> None:
    with node_of(settings, database, slow=Waits, quick=_Blocking) as scene:
        for user in range(1, 12):
            shop = add_shop(database, "slow", user)
            add_job(database, shop, "do", "slow")
        assert Waits.running.wait(60)
        assert scene.ended(new_job(scene, "quick")).result_data == {"seven": 7}
        Waits.go_on.set()


class _Blocking(BaseJobHandler):
    async def execute(self, job: Job) -> dict[str, Any]:
        await self.transaction("note", lambda session: {})
        return {"seven": await self.run_blocking(lambda: 7)}


def test_a_function_that_never_returns_times_out(settings: Settings, database: Database) -> None:
    quick = ActionType("do", "Do", rate_limit=timedelta(0), timeout=timedelta(seconds=1))
    registry = registry_of(
        Marketplace("slow", action_types=(quick,)), handlers={("do", "slow"): Waits}
    )
    with running_node(settings, database, registry) as scene:
        job_id = new_job(scene, "slow", max_retries=0)
        job = scene.ended(job_id)
    assert job.status == "failed"
    assert "did not return within 1s" in (job.error_message or "")


def test_the_heartbeat_outlives_a_database_that_takes_no_writes(
    settings: Settings, database: Database
) -> None:
    with node_of(settings, database, quick=Idle) as scene:

        def beats_again() -> bool:
            with database.session() as session:
                node = session.get_one(RuntimeNode, scene.node._node_id)
                return node.heartbeat_at > since

        read_only(database, "on")
        wait_until(lambda: not _confirmed(scene))
        read_only(database, "off")
        since = datetime.now(UTC)
        wait_until(beats_again)
        assert scene.ended(new_job(scene, "quick")).status == "completed"


def read_only(database: Database, switch: str) -> None:
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
        connection.exec_driver_sql("SET default_transaction_read_only = off")
        connection.exec_driver_sql(
            f"ALTER DATABASE {name} SET default_transaction_read_only = {switch}"
        )
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def _confirmed(scene: Scene) -> bool:
    heart: Heartbeat = scene.node._heartbeat
    return heart._lock is not None


def test_an_embedded_server_that_died_is_started_again(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    database = open_database(settings)
    try:
        migrate(database, lambda line: None)
        with node_of(settings, database, quick=Idle) as scene:
            scene.ended(new_job(scene, "quick"))
            pid = int((tmp_path / "data" / "postgres" / "postmaster.pid").read_text().split()[0])
            psutil.Process(pid).send_signal(signal.SIGKILL)

            def works_again() -> bool:
                try:
                    return bool(new_job(scene, "quick"))
                except Exception:  # noqa: BLE001 - the server is away in between
                    return False

            wait_until(works_again)
            assert scene.ended(new_job(scene, "quick")).status == "completed"
    finally:
        database.dispose()
