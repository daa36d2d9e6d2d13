"""A marketplace whose handler does what a test says, and processors of its jobs."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from pytest_httpserver import HTTPServer
from sqlalchemy import text

from runtime import BaseJobHandler, Marketplace
from runtime.handlers.registry import Registry
from runtime.inline.driver_factory import inline_driver
from runtime.inline.processor import MarketplaceJobProcessor
from runtime.process.config import Settings
from runtime.runs.job import Job
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_shop
from tests.support.processes.running_node import registry_of

Make = Callable[..., MarketplaceJobProcessor]


class Depop(BaseJobHandler):
    """The class variable holds what a test wants it to do."""

    does: Callable[["Depop", Job], Awaitable[dict[str, Any] | None]]

    async def execute(self, job: Job) -> dict[str, Any] | None:
        return await type(self).does(self, job)


def add_depop(database: Database) -> int:
    """The marketplace's actions, and a shop of user 7."""
    with database.session.begin() as session:
        session.execute(
            text(
                "INSERT INTO public.marketplace_action_types (marketplace, code, name, "
                "rate_limit_ms, max_retries, timeout_seconds) VALUES "
                "('depop', 'publish', 'Publish', 0, 3, 60), ('depop', 'sync', 'Sync', 0, 3, 60)"
            )
        )
    return add_shop(database, "depop")


def depop_registry(httpserver: HTTPServer) -> Registry:
    """Its handlers, and one that asks a browser."""
    depop = Marketplace("depop", base_url=httpserver.url_for(""))
    vinted = Marketplace("vinted", browser_bound=True)
    handlers: dict[tuple[str, str], type[BaseJobHandler]] = {
        ("publish", "depop"): Depop, ("sync", "depop"): Depop, ("sync", "vinted"): Asking,
    }  # fmt: skip
    return registry_of(depop, vinted, handlers=handlers)


class Asking(BaseJobHandler):
    async def execute(self, job: Job) -> dict[str, Any]:
        answer = await self.call_websocket(action="VINTED_SYNC", payload={}, timeout=5)
        return {"success": True, **answer}


def maker(database: Database, settings: Settings, registry: Registry) -> Make:
    """A processor of user 7 on depop; its driver works with the test's settings."""

    def make(marketplace: str | None = "depop", **more: Any) -> MarketplaceJobProcessor:
        return MarketplaceJobProcessor(
            database.session(), 7, marketplace=marketplace, registry=registry,
            make_driver=partial(inline_driver, settings=settings), **more,
        )  # fmt: skip

    return make


def process(processor: MarketplaceJobProcessor) -> dict[str, Any] | None:
    return asyncio.run(processor.process_next_job())


def does(function: Callable[[Depop, Job], Awaitable[dict[str, Any] | None]]) -> None:
    Depop.does = staticmethod(function)
