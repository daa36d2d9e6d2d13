"""The stage of a chaos test: a PostgreSQL of its own, service processes, and their jobs."""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import URL, text

from runtime.errors import DatabaseUnavailable
from runtime.jobs.service import MarketplaceJobService
from runtime.storage.models import SCHEMA
from runtime.storage.schema.migrator import migrate
from runtime.storage.schema.plugin_action_types import ensure_action_types
from runtime.storage.server.embedded import EmbeddedServer
from runtime.storage.server.engine import Database
from tests.chaos.counting_marketplace import CountingMarketplace, Plan
from tests.chaos.handlers import chaos_registry
from tests.chaos.seller import SECRET
from tests.chaos.service import main
from tests.support.checkout import CHECKOUT
from tests.support.deadline import wait_until
from tests.support.processes.warm_processes import WarmProcess


class ServiceProcess:
    """One service; killed at the end of the test if it still lives."""

    def __init__(self, stage: "Stage", log: Path, more: dict[str, str], without: str | None):
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "RUNTIME_DATABASE_URL": stage.database_url,
            "RUNTIME_DATA_DIR": str(stage.directory / "data"),
            "RUNTIME_BRIDGE_PORT": "0",
            "RUNTIME_LOG_FORMAT": "console",
            "RUNTIME_POLL_SECONDS": "0.5",
            "RUNTIME_DRAIN_SECONDS": "3",
            "RUNTIME_BRIDGE_GRACE_SECONDS": "1",
            "RUNTIME_TOKEN_SECRET": SECRET,
            "CHAOS_MARKETPLACE": stage.marketplace.url,
            **more,
        }
        arguments = () if without is None else ("--without", without)
        self.log = log
        self._process = WarmProcess(
            main, ("service", *arguments), environment, directory=CHECKOUT, stdout=log, stderr=log
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def logged(self) -> str:
        return self.log.read_text(errors="replace")

    def ready(self, seconds: float = 30) -> "ServiceProcess":
        """Once it has started."""
        wait_until(lambda: "node started" in self.logged() or self.ended(), seconds)
        assert not self.ended(), self.logged()
        return self

    def bridge_port(self) -> int:
        """Where its bridge listens, once it is ready."""
        found = re.search(r"bridge=127\.0\.0\.1:(\d+)", self.logged())
        assert found is not None, self.logged()
        return int(found[1])

    def ended(self) -> bool:
        return self._process.poll() is not None

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """As ``kill -9``; harmless when repeated."""
        self._process.kill()
        self._process.wait(30)

    def terminate(self) -> int:
        """Stop it as an operator does; returns its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)

    def death(self, seconds: float = 30) -> int:
        """How it ended, which it does by itself."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it lives on:\n{self.logged()[-4_000:]}") from None


@dataclass
class Stage:
    """A migrated database, a marketplace, and the services that a test starts."""

    directory: Path
    server: EmbeddedServer
    database_url: str
    database: Database
    marketplace: CountingMarketplace
    services: list[ServiceProcess] = field(default_factory=list)

    def start(self, without: str | None = None, **more: str) -> ServiceProcess:
        """Start a service; it may not be ready yet."""
        log = self.directory / f"service-{len(self.services)}.log"
        service = ServiceProcess(self, log, more, without)
        self.services.append(service)
        return service

    def add_job(
        self,
        action: str,
        reference: str,
        user_id: int = 7,
        marketplace: str = "chaos",
        **data: Any,
    ) -> int:
        """A committed job; returns its id."""
        with self.database.session.begin() as session:
            service = MarketplaceJobService(session)
            shop = service.add_shop(marketplace, user_id, f"shop-{user_id}")
            job = service.create_job(
                marketplace, action, shop_id=shop.id,
                input_data={"reference": reference, **data},
            )  # fmt: skip
            return job.id

    def rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        with self.database.session() as session:
            return [dict(row) for row in session.execute(text(statement), values).mappings()]

    def jobs(self) -> dict[str, dict[str, Any]]:
        """Every job, by its reference."""
        rows = self.rows(f"SELECT * FROM {SCHEMA}.marketplace_jobs ORDER BY id")
        return {row["input_data"]["reference"]: row for row in rows}

    def journal(self, job_id: int) -> list[dict[str, Any]]:
        return self.rows(
            f"SELECT * FROM {SCHEMA}.marketplace_tasks WHERE job_id = :id ORDER BY id", id=job_id
        )

    def nodes(self) -> set[int]:
        """The processes of the nodes that the database knows."""
        return {row["pid"] for row in self.rows(f"SELECT pid FROM {SCHEMA}.runtime_nodes")}

    def unfinished(self) -> int:
        """How many jobs wait or run."""
        (row,) = self.rows(
            f"SELECT count(*) AS number FROM {SCHEMA}.marketplace_jobs "
            "WHERE status IN ('pending', 'running')"
        )
        return int(row["number"])

    def wait_quiet(self, seconds: float) -> None:
        """Until no job waits or runs; one that does not get there is told of by the checks."""

        def quiet() -> bool:
            try:
                return not self.unfinished()
            except DatabaseUnavailable:
                return False

        with suppress(AssertionError):
            wait_until(quiet, seconds)

    def restart_database(self, how: str) -> None:
        """Stop PostgreSQL, fast or immediately, and start it again."""
        cluster = self.server._cluster
        stopped = cluster._run("pg_ctl", "stop", "-w", "-m", how, "-D", str(cluster.path))
        assert stopped.returncode == 0, stopped.stdout
        cluster.ensure_running()
        self.database.engine.dispose()

    def break_connections(self) -> None:
        """End every connection of the services, as a network does."""
        self.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'marketplace-runtime' AND pid <> pg_backend_pid()"
        )

    def end(self) -> None:
        for service in self.services:
            service.kill()


Staged = Callable[[Plan], AbstractContextManager[Stage]]
"""Opens a stage whose marketplace follows the plan."""


def prepare(url: URL) -> None:
    """Make an empty database one that a stage can stand on."""
    database = Database(url)
    migrate(database, lambda _line: None)
    with database.session.begin() as session:
        ensure_action_types(session, chaos_registry("http://127.0.0.1").action_types)
        session.execute(text("CREATE TABLE public.chaos_effects (reference text NOT NULL)"))
    database.dispose()


@contextmanager
def stage_on(
    directory: Path, server: EmbeddedServer, url: URL, marketplace: CountingMarketplace
) -> Iterator[Stage]:
    """A stage on a prepared database."""
    database = Database(url)
    with marketplace:
        stage = Stage(
            directory, server, url.render_as_string(hide_password=False), database, marketplace
        )
        try:
            yield stage
        finally:
            stage.end()
            database.dispose()
