"""Vinted as the tests need it where its own handlers are not what is tested."""

from datetime import timedelta
from typing import Any

from plugins.vinted.sync import SyncVinted
from runtime import ActionType, BaseJobHandler, Job, Marketplace
from runtime.registry import Registry
from tests.integration.running_node import registry_of

SETTLES_WITHIN = 2.0


class Publish(BaseJobHandler):
    """Puts one item on sale, and can look it up."""

    async def execute(self, job: Job) -> Any:
        reference = f"job-{job.id}"
        payload = {"product": job.input_data["product"], "reference": reference}
        return await self.step(
            "publish",
            self.call_websocket("VINTED_PUBLISH", payload, settles_within=SETTLES_WITHIN),
            reconcile=lambda: self.find(reference),
        )

    async def find(self, reference: str) -> Any:
        page = await self.call_websocket("VINTED_GET_WARDROBE", reads=True)
        found = [item for item in page["items"] if item["reference"] == reference]
        return {"item": found[0]} if found else None


class Generic(BaseJobHandler):
    """Passes on whatever it is told to."""

    async def execute(self, job: Job) -> Any:
        return await self.call_websocket("VINTED_API_CALL", job.input_data, reads=True)


HANDLERS = {"publish": Publish, "generic": Generic, "sync": SyncVinted}


def browsed_registry() -> Registry:
    """The marketplace ``vinted`` with these handlers, and no pace to keep to."""
    timeout, no_pace = timedelta(seconds=60), timedelta(0)
    types = tuple(ActionType(one, one, rate_limit=no_pace, timeout=timeout) for one in HANDLERS)
    vinted = Marketplace("vinted", browser_bound=True, lane_concurrency=1, action_types=types)
    return registry_of(
        vinted, handlers={(code, "vinted"): handler for code, handler in HANDLERS.items()}
    )
