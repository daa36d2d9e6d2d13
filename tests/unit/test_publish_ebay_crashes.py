"""publish_ebay whose process dies anywhere: the listing is there once, and nobody is asked."""

import json
import random
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode, urlsplit

import pytest

from plugins.ebay.errors import read_refusal
from plugins.ebay.publish import PublishEbay
from plugins.ebay.sandbox import EbaySandbox
from runtime.calls import Failure, HttpCall, MediaCall, Outcome, Success
from runtime.errors import CallRejected, OutcomeUnknown
from runtime.execution import Finished
from runtime.job import Shop
from runtime.sandbox import Fault, Request
from runtime.sandbox.delivery import Delivery
from tests.handler_harness import make_job
from tests.integration.ebay_seller import SETTINGS, product
from tests.no_media import NO_MEDIA
from tests.replay_world import Pending, Run, World

START = datetime(2026, 1, 9, tzinfo=UTC)
SILENT = {Fault.UNANSWERED, Fault.LATE, Fault.REFUSED}
FAULTS = [None, Fault.DONE_BUT_FAILED, Fault.UNANSWERED, Fault.LATE, Fault.REFUSED]


class UnservedEbay(EbaySandbox):
    """Nothing comes over a wire; only the links between pages name an address."""

    url = "http://ebay.example"


class EbayWorld(World):
    """A simulated eBay whose clock is the world's."""

    def __init__(self) -> None:
        super().__init__()
        self.ebay = UnservedEbay(now=lambda: START + timedelta(seconds=self.now))
        self.token = self.ebay.connect()["access_token"]

    def send(self, call: HttpCall) -> Outcome:
        delivery = self.ebay.serve(self._request(call))
        fault = delivery.plan.fault if delivery.plan else None
        where = f"{call.method} {call.path}"
        if fault in SILENT:
            return Failure(OutcomeUnknown(f"{where}: no answer", writes=call.writes))
        return self._outcome(where, delivery, call, failed=fault is Fault.DONE_BUT_FAILED)

    def _request(self, call: HttpCall) -> Request:
        headers = {name.lower(): value for name, value in (call.headers or {}).items()}
        headers["authorization"] = f"Bearer {self.token}"
        body = b""
        if call.json is not None:
            headers["content-type"] = "application/json"
            body = json.dumps(call.json).encode()
        address = urlsplit(call.path)
        query = urlencode(call.params) if call.params else address.query
        return Request(call.method, address.path, query, headers, body)

    def _outcome(self, where: str, delivery: Delivery, call: HttpCall, *, failed: bool) -> Outcome:
        answer = delivery.failure if failed and delivery.failure else delivery.answer
        if answer.status < 300:
            return Success(answer.body)
        refusal = read_refusal(answer.status, answer.body)
        assert refusal is not None, answer
        kind = OutcomeUnknown if answer.status >= 500 and call.writes else CallRejected
        error = kind(
            f"{where}: {refusal.words}", status=answer.status, error_code=refusal.code,
            writes=call.writes, details=dict(refusal.details),
        )  # fmt: skip
        return Failure(error)


class EbayRun(Run):
    """A run whose images need no directory, and whose transactions need no database."""

    def _carry_out(self, pending: Pending) -> bool:
        call = pending.perform.call
        if isinstance(call, MediaCall):
            pending.outcome = Success(call.function(NO_MEDIA, *call.arguments))
            return True
        return super()._carry_out(pending)

    def _transact(self, call, within):
        stored = call.arguments[1]["external_id"]
        return super()._transact(type(call)(call.name, lambda: stored), within)


def run_through(world: EbayWorld, crashes: list[int]) -> int:
    """Run until it finishes, with these crashes on the way; how many stages the last run took."""
    job = make_job(
        "publish", "ebay", product=product(), shop=Shop(1, "example-seller", settings=SETTINGS)
    )
    for _ in range(50):
        stages = crashes.pop(0) if crashes else 10_000
        run = EbayRun(world, lambda: PublishEbay(job).execute(job), random.Random(0), stages)
        end = run.to_the_end()
        if end is None:
            continue
        if isinstance(end, Finished):
            return 10_000 - (run.stages_left or 0)
        for name in [name for name, one in world.journal.items() if one.error]:
            del world.journal[name]
    raise AssertionError(f"it never ends: {end}")


def check(world: EbayWorld) -> None:
    world.wait_until(world.now + 3_600)
    ((listing_id, offer),) = world.ebay.listings.items()
    assert offer["pricingSummary"]["price"]["value"] == "12.50"
    assert len(world.ebay.offers) == len(world.ebay.items) == len(world.ebay.fees) == 1
    assert world.ebay.done["publishOffer"] == 1
    assert world.effects["/store"] == 1
    assert world.journal["publish"].result == listing_id


STAGES = run_through(EbayWorld(), [])


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.lower() if fault else "none")
@pytest.mark.parametrize(
    "operation", ["createOrReplaceInventoryItem", "createOffer", "publishOffer"]
)
def test_a_process_that_dies_at_any_point_leaves_one_listing(operation, fault):
    for stage in range(STAGES + 10):
        world = EbayWorld()
        if fault is not None:
            world.ebay.faults.plan(operation, fault, lands_after=timedelta(seconds=5))
        run_through(world, [stage])
        check(world)


def test_a_process_that_dies_again_and_again_leaves_one_listing():
    for seed in range(100):
        chance = random.Random(seed)
        world = EbayWorld()
        for operation in ("createOffer", "publishOffer"):
            if (fault := chance.choice(FAULTS)) is not None:
                world.ebay.faults.plan(operation, fault, lands_after=timedelta(seconds=5))
        run_through(world, [chance.randrange(STAGES) for _ in range(chance.randrange(1, 6))])
        check(world)
