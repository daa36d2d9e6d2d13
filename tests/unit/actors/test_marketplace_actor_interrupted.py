"""The marketplace actor, interrupted: cancellation, draining, and actors that forget."""

from typing import Any

import pytest

from runtime import BaseJobHandler, Job, messages
from runtime.errors import CallTimeout, JobCancelled
from runtime.messages import CancelRequested, Drain, LanesFound, LaneShop
from runtime.runs.job_states import JobEvent
from tests.support.actors.marketplace_bench import SECOND, MarketplaceBench


class Read(BaseJobHandler):
    async def execute(self, job: Job) -> Any:
        return await self.call_http("GET", "/listings")


class Publish(BaseJobHandler):
    """Writes three things at once, then one more; tidies up after itself when cancelled."""

    async def execute(self, job: Job) -> Any:
        try:
            await self.gather(
                *(self.call_websocket(f"WRITE {number}", {"secret": "x"}) for number in (1, 2, 3))
            )
            await self.call_websocket("WRITE 4")
        except JobCancelled:
            await self.call_websocket("TIDY UP", reads=True)
            raise


class Slow(BaseJobHandler):
    async def execute(self, job: Job) -> Any:
        await self.sleep(60)


HANDLERS = {"read": Read, "publish": Publish, "slow": Slow}
FOUND = LanesFound((LaneShop(2, 7),))


@pytest.fixture
def bench() -> MarketplaceBench:
    return MarketplaceBench(HANDLERS, lane_concurrency=3, lane_calls=1)


def commands(bench: MarketplaceBench) -> list[messages.BrowserCommand]:
    return bench.told(messages.BrowserCommand)


def actions(bench: MarketplaceBench) -> list[str]:
    return [one.action for one in commands(bench)]


# --- cancelling -----------------------------------------------------------------------------


def test_a_job_that_was_cancelled_before_it_started_does_not_start(
    bench: MarketplaceBench,
) -> None:
    bench.claim(bench.job(1, "read", cancel_requested=True))
    assert bench.settlement().event is JobEvent.CANCEL
    assert bench.told(messages.HttpRequest) == []


def test_a_job_that_waits_is_cancelled_at_once(bench: MarketplaceBench) -> None:
    bench.claim(bench.job(1, "read"))
    (request,) = bench.told(messages.HttpRequest)
    bench.receive(CancelRequested(1))
    assert bench.settlement().event is JobEvent.CANCEL
    bench.answer(request, "late")
    bench.receive(CancelRequested(1))
    assert bench.told(messages.RecordSettlement) == []


def test_a_job_that_this_actor_does_not_run_is_nothing_to_cancel(bench: MarketplaceBench) -> None:
    bench.receive(CancelRequested(99))
    assert bench.told(messages.RecordSettlement) == []


def test_a_write_that_has_left_is_answered_first_and_those_that_wait_never_leave(
    bench: MarketplaceBench,
) -> None:
    bench.claim(bench.job(1, "publish"))
    (first,) = commands(bench)
    bench.receive(CancelRequested(1))
    assert commands(bench) == []
    bench.answer(first)
    (tidy,) = commands(bench)
    assert tidy.action == "TIDY UP"
    assert bench.told(messages.RecordSettlement) == []
    bench.answer(tidy)
    assert bench.settlement().event is JobEvent.CANCEL


def test_a_cancelled_job_has_the_time_of_one_call_to_tidy_up(bench: MarketplaceBench) -> None:
    bench.claim(bench.job(1, "publish"))
    (first,) = commands(bench)
    bench.receive(CancelRequested(1))
    bench.clock.advance(60 * SECOND)
    assert bench.told(messages.RecordSettlement) == [], "the write has its own timeout"
    bench.answer(first)
    (tidy,) = commands(bench)
    bench.clock.advance(29 * SECOND)
    assert bench.told(messages.RecordSettlement) == []
    bench.clock.advance(SECOND)
    assert bench.settlement().event is JobEvent.CANCEL
    assert bench.told(messages.BrowserCommandWithdrawn) == [
        messages.BrowserCommandWithdrawn(tidy.request_id)
    ]
    bench.answer(tidy)
    assert bench.told(messages.RecordSettlement) == []


def test_a_job_that_tidied_up_in_time_is_settled_once(bench: MarketplaceBench) -> None:
    bench.claim(bench.job(1, "publish"))
    (first,) = commands(bench)
    bench.receive(CancelRequested(1))
    bench.answer(first)
    (tidy,) = commands(bench)
    bench.answer(tidy)
    bench.settlement()
    assert bench.clock.next_due() is None
    bench.clock.advance(60 * SECOND)
    assert bench.told(messages.RecordSettlement) == []


def test_a_write_with_an_unknown_outcome_comes_before_its_cancellation(
    bench: MarketplaceBench,
) -> None:
    bench.claim(bench.job(1, "read"), bench.job(2, "publish", user_id=8, shop=3))
    (first,) = commands(bench)
    bench.receive(CancelRequested(2))
    bench.fail(first, CallTimeout("no answer", writes=True))
    assert actions(bench) == []
    settlement = bench.settlement()
    assert settlement.event is JobEvent.PAUSE
    assert "did step 'call-1.1.1' take effect on shop?" in str(settlement.waiting_reason)


# --- draining -------------------------------------------------------------------------------


def drain(bench: MarketplaceBench, seconds: int = 20) -> None:
    bench.receive(Drain(bench.clock.now() + seconds * SECOND))


def test_an_actor_that_runs_nothing_is_drained_at_once(bench: MarketplaceBench) -> None:
    drain(bench)
    assert bench.told(messages.Drained) == [messages.Drained("marketplace:shop")]


def test_what_runs_may_end_and_nothing_new_is_asked_for(bench: MarketplaceBench) -> None:
    bench.claim(bench.job(1, "read"))
    (request,) = bench.told(messages.HttpRequest)
    drain(bench)
    bench.receive(FOUND)
    assert bench.told(messages.ClaimRequested) == []
    bench.answer(request, "read")
    settlement = bench.settlement()
    assert settlement.event is JobEvent.COMPLETE
    assert bench.told(messages.Drained) == [], "not before the ending is recorded"
    bench.recorded(settlement)
    assert bench.told(messages.Drained) == [messages.Drained("marketplace:shop")]


def test_what_has_not_started_goes_back_at_once(bench: MarketplaceBench) -> None:
    bench.claim(*(bench.job(number, "slow") for number in (1, 2, 3, 4)))
    drain(bench)
    settlement = bench.settlement()
    assert (settlement.job_id, settlement.event) == (4, JobEvent.HAND_BACK)
    bench.claim(bench.job(5, "slow"))
    settlement = bench.settlement()
    assert (settlement.job_id, settlement.event) == (5, JobEvent.HAND_BACK)


def test_at_the_deadline_what_may_be_done_again_goes_back(bench: MarketplaceBench) -> None:
    bench.claim(bench.job(1, "read"), bench.job(2, "slow"))
    drain(bench)
    bench.clock.advance(20 * SECOND)
    settled = [one.settlement for one in bench.told(messages.RecordSettlement)]
    assert [(one.job_id, one.event) for one in settled] == [
        (1, JobEvent.HAND_BACK),
        (2, JobEvent.HAND_BACK),
    ]
    for settlement in settled:
        bench.recorded(settlement)
    assert bench.told(messages.Drained) == [messages.Drained("marketplace:shop")]


def test_at_the_deadline_a_write_that_has_left_goes_back_with_its_intent(
    bench: MarketplaceBench,
) -> None:
    bench.claim(bench.job(1, "publish"))
    assert actions(bench) == ["WRITE 1"]
    drain(bench)
    bench.clock.advance(20 * SECOND)
    assert bench.settlement().event is JobEvent.HAND_BACK
    assert bench.journal == {"call-1.1.1": None}, "the next run knows what to look up"


def test_at_the_deadline_no_waiting_write_takes_the_place_of_another(
    bench: MarketplaceBench,
) -> None:
    bench.claim(bench.job(1, "publish"), bench.job(2, "publish"))
    assert actions(bench) == ["WRITE 1"]
    drain(bench)
    bench.clock.advance(20 * SECOND)
    assert actions(bench) == []
    settled = [one.settlement for one in bench.told(messages.RecordSettlement)]
    assert [(one.job_id, one.event) for one in settled] == [
        (1, JobEvent.HAND_BACK),
        (2, JobEvent.HAND_BACK),
    ]


# --- actors that forget ---------------------------------------------------------------------


def test_a_recorder_that_forgot_is_told_the_endings_again(bench: MarketplaceBench) -> None:
    bench.claim(bench.job(1, "read", cancel_requested=True), bench.job(2, "read"))
    settlement = bench.settlement()
    bench.receive(messages.ActorRestarted(messages.RECORDER))
    assert bench.settlement() == settlement
    bench.recorded(settlement)
    bench.receive(messages.ActorRestarted(messages.RECORDER))
    assert bench.told(messages.RecordSettlement) == []


def test_a_bridge_that_forgot_is_asked_again_for_what_has_left(bench: MarketplaceBench) -> None:
    bench.claim(bench.job(1, "publish"))
    (first,) = commands(bench)
    bench.receive(messages.ActorRestarted(messages.BRIDGE))
    (again,) = commands(bench)
    assert (again.request_id, again.repeated) == (first.request_id, True)


def test_an_http_actor_that_forgot_leaves_reads_to_be_retried(bench: MarketplaceBench) -> None:
    bench.claim(bench.job(1, "read"))
    bench.receive(messages.ActorRestarted(messages.HTTP))
    assert bench.settlement().event is JobEvent.RETRY
