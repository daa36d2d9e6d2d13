"""The marketplace actor: a run that is to pause is left at its next call, with nothing lost."""

from typing import Any

import pytest

from runtime import BaseJobHandler, Job, messages
from runtime.messages import CancelRequested, LanesFound, LaneShop, PauseRequested
from runtime.runs.job_states import JobEvent
from runtime.runs.journal import StepStatus
from tests.support.actors.marketplace_bench import SECOND, MarketplaceBench

THROWN: list[str] = []


class Read(BaseJobHandler):
    async def execute(self, job: Job) -> Any:
        return await self.call_http("GET", "/listings")


class Publish(BaseJobHandler):
    """Writes twice at once, then once more."""

    async def execute(self, job: Job) -> Any:
        try:
            await self.gather(
                self.step("a", self.call_http("POST", "/a"), repeatable=True),
                self.step("b", self.call_http("POST", "/b"), repeatable=True),
            )
            await self.step("c", self.call_http("POST", "/c"), repeatable=True)
        except BaseException:
            THROWN.append("thrown in")
            raise


class Slow(BaseJobHandler):
    async def execute(self, job: Job) -> Any:
        await self.sleep(60)


HANDLERS = {"read": Read, "publish": Publish, "slow": Slow}
FOUND = LanesFound((LaneShop(2, 7),))


@pytest.fixture
def bench() -> MarketplaceBench:
    THROWN.clear()
    return MarketplaceBench(HANDLERS, lane_concurrency=3, lane_calls=1)


def requests(bench: MarketplaceBench) -> list[messages.HttpRequest]:
    return bench.told(messages.HttpRequest)


@pytest.mark.parametrize("action", ["read", "slow"])
def test_a_run_that_only_waits_is_left_at_once(bench: MarketplaceBench, action: str) -> None:
    bench.claim(bench.job(1, action))
    sent = requests(bench)
    bench.receive(PauseRequested(1))
    assert bench.settlement().event is JobEvent.HAND_BACK
    for request in sent:
        bench.answer(request, "late")
    bench.receive(PauseRequested(1))
    bench.clock.advance(60 * SECOND)
    assert bench.told(messages.RecordSettlement) == []


def test_a_write_that_has_left_is_recorded_first_and_nothing_follows_it(
    bench: MarketplaceBench,
) -> None:
    bench.claim(bench.job(1, "publish"))
    (first,) = requests(bench)
    bench.receive(PauseRequested(1))
    assert bench.told(messages.RecordSettlement) == []
    bench.answer(first, {"id": 5})
    assert bench.journal["a"].status is StepStatus.SUCCEEDED
    assert requests(bench) == []
    assert "b" not in bench.journal, "the write that waited for its place never left"
    assert bench.settlement().event is JobEvent.HAND_BACK
    assert THROWN == []


def test_a_run_that_ends_before_it_is_left_ends_as_it_does(bench: MarketplaceBench) -> None:
    class Write(BaseJobHandler):
        async def execute(self, job: Job) -> Any:
            await self.step("a", self.call_http("POST", "/a"), repeatable=True)
            return "done"

    bench = MarketplaceBench({"write": Write})
    bench.claim(bench.job(1, "write"))
    (write,) = requests(bench)
    bench.receive(PauseRequested(1))
    bench.answer(write)
    assert bench.settlement().event is JobEvent.COMPLETE


def test_a_cancellation_wins_over_a_pause(bench: MarketplaceBench) -> None:
    bench.claim(bench.job(1, "publish"))
    (first,) = requests(bench)
    bench.receive(PauseRequested(1), CancelRequested(1))
    bench.answer(first)
    assert bench.settlement().event is JobEvent.CANCEL
    assert THROWN == ["thrown in"]


def test_a_pause_comes_too_late_for_a_cancelled_run(bench: MarketplaceBench) -> None:
    bench.claim(bench.job(1, "publish"))
    (first,) = requests(bench)
    bench.receive(CancelRequested(1), PauseRequested(1))
    bench.answer(first)
    assert bench.settlement().event is JobEvent.CANCEL


def test_a_pause_whose_announcement_got_lost_is_found_by_comparison(
    bench: MarketplaceBench,
) -> None:
    bench.claim(bench.job(1, "slow"))
    running = messages.RunningJob(1, 1, "shop", cancel_requested=False, pause_requested=True)
    bench.receive(messages.RunningJobs((running,)))
    assert bench.settlement().event is JobEvent.HAND_BACK


def test_nothing_is_claimed_before_it_is_known_what_is_closed(bench: MarketplaceBench) -> None:
    bench.actor._closures.loaded = False
    bench.receive(FOUND)
    assert bench.told(messages.ClaimRequested) == []
    bench.receive(messages.ClosuresLoaded(()))
    assert len(bench.told(messages.ClaimRequested)) == 1
