"""The three marketplaces of the day: their limits, and what their jobs do."""

from datetime import datetime, timedelta
from typing import Any

from plugins.ebay.rate_limits import INQUIRY
from plugins.etsy.marketplace import LIMIT_HEADERS
from runtime import BaseJobHandler, Budgets, Job, Level, Limit, Marketplace, Snooze
from runtime.handlers.registry import Registry

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)

ETSY_RATE, ETSY_QUOTA = Limit(10, SECOND), Limit(10_000, DAY)
EBAY_RATE, EBAY_QUOTA = Limit(20, SECOND), Limit(15_000, DAY)
VINTED_RATE = Limit(1, SECOND)
VINTED_JITTER = SECOND

MARKETPLACES = {
    "vinted": Marketplace(
        "vinted",
        browser_bound=True,
        lane_concurrency=1,
        lane_calls=1,
        budgets=Budgets(
            shop=(VINTED_RATE,),
            speaks_of=Level.SHOP,
            jitter=VINTED_JITTER,
            cool_down=timedelta(minutes=1),
        ),
    ),
    # The daily quota is not declared: its answers announce it.
    "etsy": Marketplace(
        "etsy",
        concurrency=24,
        lane_concurrency=4,
        limit_headers=LIMIT_HEADERS,
        budgets=Budgets(app_key=(ETSY_RATE,)),
    ),
    "ebay": Marketplace(
        "ebay",
        concurrency=24,
        lane_concurrency=4,
        budgets=Budgets(app_key=(EBAY_RATE, EBAY_QUOTA)),
        limit_inquiry=INQUIRY,
    ),
}

GAPS = {"vinted": timedelta(0), "etsy": SECOND, "ebay": SECOND}
"""The least time between two calls of one action of one shop."""


class Sync(BaseJobHandler):
    """Some reads, one after the other."""

    async def execute(self, job: Job) -> Any:
        """Read the pages."""
        for page in range(job.input_data["calls"]):
            await self._read(f"/sell/inventory/v1/page/{page}")
        return {"success": True}

    def _read(self, path: str) -> Any:
        if self.job.marketplace == "vinted":
            return self.call_websocket("read", {"path": path}, reads=True)
        return self.call_http("GET", path)


class Publish(Sync):
    """A read, a write, and reads at once."""

    async def execute(self, job: Job) -> Any:
        """Publish it."""
        await self._read("/sell/inventory/v1/category")
        await self.step("publish", self._write)
        if job.marketplace == "vinted":
            await self._read("/sell/inventory/v1/listing")
        else:
            await self.gather(
                self._read("/sell/inventory/v1/listing"), self._read("/sell/inventory/v1/image")
            )
        return {"success": True}

    def _write(self) -> Any:
        if self.job.marketplace == "vinted":
            return self.call_websocket("publish", {"job": self.job.id})
        return self.call_http("POST", "/sell/inventory/v1/listing", json={"job": self.job.id})


class Report(Sync):
    """Asks for something that takes the marketplace a while, and sleeps until it is ready."""

    async def execute(self, job: Job) -> Any:
        """Ask until it is ready."""
        answer = await self._read(f"/sell/inventory/v1/report/{job.id}")
        if answer["ready_at"] is not None:
            raise Snooze(datetime.fromisoformat(answer["ready_at"]), "the report is being made")
        return {"success": True}


ACTIONS: dict[str, type[BaseJobHandler]] = {"sync": Sync, "publish": Publish, "report": Report}

REGISTRY = Registry(
    marketplaces=MARKETPLACES,
    handlers={
        f"{action}_{marketplace}": handler
        for marketplace in MARKETPLACES
        for action, handler in ACTIONS.items()
    },
)
