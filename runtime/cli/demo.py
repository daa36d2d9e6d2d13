"""demo: the whole way of a job, with simulated sellers."""

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from runtime.cli.context import command_settings, opened_database
from runtime.cli.demo_watch import watch
from runtime.cli.output import print_line
from runtime.cli.parts import Demo, Parts, Service
from runtime.cli.stopping import StopSignals
from runtime.config import Settings
from runtime.data_directory import token_secret
from runtime.errors import PortInUse
from runtime.registry import load_registry
from runtime.service import MarketplaceJobService
from runtime.storage.engine import Database
from runtime.tokens import issue_token

FIRST_SELLER = 9001
TOKEN_LIFETIME = timedelta(days=1)
DRAIN_SECONDS = 5.0


def add_demo(app: typer.Typer, parts: Parts) -> None:
    """Add the command."""

    @app.command()
    def demo(
        sellers: Annotated[int, typer.Option(min=1, max=100, help="How many sellers.")] = 3,
        items: Annotated[
            int, typer.Option(min=0, max=50_000, help="How much each has on sale.")
        ] = 250,
        keep_running: Annotated[
            bool, typer.Option("--keep-running", help="Leave the service up until Ctrl-C.")
        ] = False,
        temporary: Annotated[
            bool, typer.Option("--temporary", help="Use a data directory that is removed after.")
        ] = False,
    ) -> None:
        """Show it all at work, with simulated sellers.

        Starts the service on the embedded database, connects the sellers' browsers, and
        runs a job for each.
        """
        with ExitStack() as stack:
            settings = command_settings().model_copy(
                update={
                    "database_url": None,
                    "database_direct_url": None,
                    "drain_seconds": DRAIN_SECONDS,
                }
            )
            if temporary:
                directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="demo-"))
                settings = settings.model_copy(update={"data_dir": Path(directory)})
            if not _run(parts, settings, sellers, items, keep_running):
                raise typer.Exit(1)


def _run(parts: Parts, settings: Settings, sellers: int, items: int, keep_running: bool) -> bool:
    with opened_database(settings) as database, ExitStack() as stack:
        # Sellers come before the service on the stack: it stops first, with them connected.
        browsers = stack.enter_context(ExitStack())
        service = stack.enter_context(_started(parts, settings, database))
        url = f"http://127.0.0.1:{service.bridge_port}"
        print_line(f"data in {settings.data_dir}, bridge at {url}")
        users = range(FIRST_SELLER, FIRST_SELLER + sellers)
        for user in users:
            browsers.enter_context(_seller(parts.demo, settings, url, user, items))
        jobs = _create_jobs(database, parts.demo, users)
        succeeded = watch(database, jobs)
        if keep_running:
            print_line(f"the service is up at {url}, {sellers} seller(s) connected; Ctrl-C stops")
            with StopSignals() as stop:
                stop.wait()
        return succeeded


@contextmanager
def _started(parts: Parts, settings: Settings, database: Database) -> Iterator[Service]:
    """The service, on the configured port or, where that is taken, on a free one."""
    registry = load_registry()
    local = settings.model_copy(update={"bridge_host": "127.0.0.1"})
    service = parts.make_service(local, database, registry)
    try:
        service.start()
    except PortInUse:
        free = local.model_copy(update={"bridge_port": 0})
        service = parts.make_service(free, database, registry)
        service.start()
    try:
        yield service
    finally:
        service.stop()


def _seller(
    demo: Demo, settings: Settings, url: str, user: int, items: int
) -> AbstractContextManager[Any]:
    secret = token_secret(settings)
    token = issue_token(user, secret, settings.token_algorithm, TOKEN_LIFETIME)
    return demo.connect_seller(url, user, token, _external_id(user), items)


def _external_id(user: int) -> str:
    return f"demo-{user}"


def _create_jobs(database: Database, demo: Demo, users: range) -> list[int]:
    with database.session() as session, session.begin():
        service = MarketplaceJobService(session)
        jobs = []
        for user in users:
            shop = service.add_shop(demo.marketplace, user, _external_id(user), f"Closet of {user}")
            job = service.create_job(demo.marketplace, demo.action, user_id=user, shop_id=shop.id)
            jobs.append(job.id)
    return jobs
