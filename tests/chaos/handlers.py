"""The jobs of the chaos tests: writes that must happen once, in every form a step can take."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from runtime import ActionType, BaseJobHandler, Budgets, CallRejected, Limit, Marketplace
from runtime.handlers.registry import Registry
from tests.chaos.counting_marketplace import GATE_SECONDS
from tests.support.processes.running_node import registry_of

SETTLES_WITHIN = 1.0
IMAGES = 3

COUNT_EFFECT = text("INSERT INTO public.chaos_effects (reference) VALUES (:reference)")


class _Writing(BaseJobHandler):
    """The part that all handlers share."""

    @property
    def reference(self) -> str:
        data = self.job.input_data
        assert data is not None
        return str(data["reference"])

    def write(self, name: str, to: str = "/write") -> Any:
        """A step that writes, once, and can be looked up."""
        path = f"{self.reference}-{name}"
        return self.step(
            name,
            self.call_http("POST", f"{to}/{path}", settles_within=SETTLES_WITHIN),
            reconcile=lambda: self.find(path),
        )

    async def find(self, path: str) -> Any:
        return (await self.call_http("GET", f"/lookup/{path}"))["found"]


class Publish(_Writing):
    """Writes one after the other, in branches and in the database, and failures in between."""

    async def execute(self, job: Any) -> Any:
        listing = await self.write("create")
        await self.progress(1, 2, "created")
        try:
            await self.write("offer", "/refuse")
        except CallRejected as error:
            refused = error.status
        images = await self.gather(*[self.write(f"image-{n}") for n in range(IMAGES)])
        await self.transaction("note", note, self.reference)
        last = await self.write("activate")
        return {"create": listing, "images": images, "activate": last, "refused": refused}


class Blind(_Writing):
    """A write that nobody can look up."""

    async def execute(self, job: Any) -> Any:
        call = self.call_http(
            "POST", f"/write/{self.reference}-blind", settles_within=SETTLES_WITHIN
        )
        return {"blind": await self.step("blind", call)}


class InBrowser(_Writing):
    """Writes that the seller's browser carries out."""

    async def execute(self, job: Any) -> Any:
        return {"first": await self.command("first"), "second": await self.command("second")}

    def command(self, name: str) -> Any:
        """A step that the browser does, once, and can look up."""
        payload = {"reference": f"{self.reference}-{name}"}
        return self.step(
            name,
            self.call_websocket("WRITE", payload, settles_within=SETTLES_WITHIN),
            reconcile=lambda: self.look(payload),
        )

    async def look(self, payload: dict[str, str]) -> Any:
        return (await self.call_websocket("LOOK", payload, reads=True))["found"]


class Gated(_Writing):
    """One write between two gates."""

    async def execute(self, job: Any) -> Any:
        data = job.input_data
        if "before" in data:
            await self.call_http("GET", f"/gate/{data['before']}-{job.fence}")
        made = await self.write("only")
        if "after" in data:
            await self.call_http("GET", f"/gate/{data['after']}-{job.fence}")
        return {"only": made}


def note(session: Any, reference: str) -> dict[str, str]:
    session.execute(COUNT_EFFECT, {"reference": reference})
    return {"noted": reference}


# Never used up; but what was used is written down.
ROOMY = Budgets(app_key=(Limit(1_000_000, timedelta(days=1)),))


def chaos_registry(base_url: str) -> Registry:
    """One marketplace that is called over HTTP, and one that a browser executes."""
    over_http = {"publish": Publish, "blind": Blind, "gated": Gated}
    in_browsers = {"publish": InBrowser}
    return registry_of(
        Marketplace(
            "chaos", base_url=base_url, action_types=_action_types(over_http), budgets=ROOMY
        ),
        Marketplace("browsed", browser_bound=True, action_types=_action_types(in_browsers)),
        handlers={
            **{(name, "chaos"): handler for name, handler in over_http.items()},
            **{(name, "browsed"): handler for name, handler in in_browsers.items()},
        },
    )


def _action_types(names: Iterable[str]) -> tuple[ActionType, ...]:
    return tuple(
        ActionType(
            name, name, rate_limit=timedelta(0), max_retries=1_000, timeout=timedelta(seconds=5)
            if name != "gated" else timedelta(seconds=GATE_SECONDS),
        )
        for name in names
    )  # fmt: skip
