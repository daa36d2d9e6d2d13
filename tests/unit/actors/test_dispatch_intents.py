"""Dispatch of writes: the intent first, not after the lease, and quiet before a "no"."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from actors.directory import Directory
from actors.dispatch import Dispatcher
from actors.job_code import JobCode
from actors.lane_run import LaneRun
from actors.lanes import Lane
from actors.pulse import Pulse
from actors.worker_pool import WorkerPool
from runtime import messages
from runtime.errors import NotSent
from runtime.marketplaces.record import Marketplace
from runtime.process.clock import ManualClock
from runtime.process.lease import LASTS, Lease
from runtime.runs.calls import AwaitQuiet, Call, Failure, HttpCall, Success, WebSocketCall
from runtime.runs.execution import Execution, Perform
from runtime.runs.job import Job, Shop
from runtime.runs.step_notes import Quiet, StepNotes
from runtime.storage.server.engine import Database
from tests.support.handlers.no_marker import NoMarker
from tests.support.handlers.no_media import NO_MEDIA

SECOND = timedelta(seconds=1)
ACTOR = "marketplace:x"
WRITES = [HttpCall("POST", "/x", settles_within=40 * SECOND), WebSocketCall("PUBLISH")]
READS = [HttpCall("GET", "/x"), WebSocketCall("LOOK", reads=True)]
UNREACHABLE = Database(make_url("postgresql+psycopg2://nobody@127.0.0.1:1/none"))


async def nothing() -> None:
    """A handler that asks for nothing."""


class Bench:
    """A dispatcher, a lease, and everything that it tells."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.clock = ManualClock(self._tell)
        self.lease = Lease(self.clock.now())
        self.lease.renew(self.clock.now())
        workers = WorkerPool(UNREACHABLE, Directory(), 1, NoMarker(), NO_MEDIA)
        self.dispatcher = Dispatcher(
            ACTOR, Marketplace("x", lane_calls=99), self.clock, workers, self.lease,
            self._tell, lambda _changes: None, lambda _ticket: self.run,
            JobCode(Pulse(), NoMarker()),
        )  # fmt: skip
        job = Job(
            id=1, fence=3, marketplace="x", action="sync", user_id=7, shop=Shop(2, "2"),
            priority=3, retry_count=0, max_retries=3, rate_limit=timedelta(0),
            timeout=30 * SECOND, created_at=self.clock.now(),
        )  # fmt: skip
        now = self.clock.now()
        self.run = LaneRun(job, Execution(nothing), StepNotes((), now), lane=Lane(1), due_at=now)

    def _tell(self, _name: str, message: Any) -> None:
        self.told.append(message)

    def perform(self, call: Call, call_id: int = 1, step: str | None = "create") -> None:
        self.dispatcher.perform(self.run, Perform(call_id, call, step))

    def recorded(self, call_id: int = 1) -> None:
        self.dispatcher.intent_recorded(self.run, call_id)

    def take(self, *kinds: type) -> list[Any]:
        taken = [one for one in self.told if isinstance(one, kinds)]
        self.told = [one for one in self.told if not isinstance(one, kinds)]
        return taken

    def sent(self) -> list[Any]:
        return self.take(messages.HttpRequest, messages.BrowserCommand)


@pytest.mark.parametrize("call", WRITES, ids=["http", "browser"])
def test_a_write_leaves_once_its_intent_is_recorded_and_not_before(
    call: HttpCall | WebSocketCall,
) -> None:
    bench = Bench()
    bench.perform(call)
    (intent,) = bench.take(messages.RecordIntent)
    assert (intent.name, intent.settles_within) == ("create", call.settles_within)
    bench.clock.advance(SECOND)
    assert bench.sent() == []
    bench.recorded()
    (request,) = bench.sent()
    assert request.not_after == bench.clock.now() - SECOND + intent.leaves_within
    bench.recorded()
    assert bench.sent() == [], "an acknowledgement that comes twice sends nothing twice"


def test_the_id_under_which_a_browser_executes_it_is_part_of_the_intent() -> None:
    bench = Bench()
    bench.perform(WRITES[1])
    (intent,) = bench.take(messages.RecordIntent)
    bench.recorded()
    (request,) = bench.sent()
    assert request.request_id == intent.request_id


@pytest.mark.parametrize("call", READS, ids=["http", "browser"])
def test_a_read_needs_no_intent(call: Call) -> None:
    bench = Bench()
    bench.perform(call)
    assert len(bench.sent()) == 1
    assert bench.take(messages.RecordIntent) == []


@pytest.mark.parametrize("call", WRITES, ids=["http", "browser"])
@pytest.mark.parametrize("waited", [LASTS, 2 * LASTS])
def test_an_intent_that_was_recorded_too_late_sends_nothing(call: Call, waited: timedelta) -> None:
    bench = Bench()
    bench.perform(call)
    bench.clock.advance(waited)
    bench.lease.renew(bench.clock.now())  # a later heartbeat does not make it any earlier
    bench.recorded()
    assert bench.sent() == []
    (ended,) = bench.take(messages.CallEnded)
    assert isinstance(ended.outcome, Failure)
    assert isinstance(ended.outcome.error, NotSent)


def test_a_node_whose_lease_has_ended_sends_no_write() -> None:
    bench = Bench()
    bench.clock.advance(LASTS)
    bench.perform(WRITES[0])
    (intent,) = bench.take(messages.RecordIntent)
    assert intent.leaves_within == timedelta(0)
    bench.recorded()
    assert bench.sent() == []


def test_a_recorder_that_forgot_is_told_the_intent_again() -> None:
    bench = Bench()
    bench.perform(WRITES[0])
    first = bench.take(messages.RecordIntent)
    bench.dispatcher.ask_again(bench.run, messages.RECORDER)
    assert bench.take(messages.RecordIntent) == first
    bench.recorded()
    bench.dispatcher.ask_again(bench.run, messages.RECORDER)
    assert bench.take(messages.RecordIntent) == []


def test_a_write_that_is_withdrawn_before_its_intent_is_recorded_never_leaves() -> None:
    bench = Bench()
    bench.perform(WRITES[0])
    bench.dispatcher.withdraw(bench.run, [1])
    bench.recorded()
    assert bench.sent() == []
    assert bench.dispatcher.pace.in_flight(bench.run) == 0


def quiet_answer(bench: Bench, settled: bool) -> tuple[timedelta, bool]:
    asked_at = bench.clock.now()
    bench.perform(AwaitQuiet("create", settled), 99)
    bench.clock.advance(timedelta(0))
    while not (answers := bench.take(messages.CallEnded)):
        due = bench.clock.next_due()
        assert due is not None
        bench.clock.advance(due - bench.clock.now())
    assert isinstance(answers[0].outcome, Success)
    return bench.clock.now() - asked_at, answers[0].outcome.value


def test_a_no_is_waited_for_until_what_left_has_settled() -> None:
    bench = Bench()
    bench.perform(WRITES[0])
    bench.clock.advance(5 * SECOND)
    bench.recorded()
    bench.dispatcher.ended(bench.run, 1, Success(None))
    assert quiet_answer(bench, settled=False) == (timedelta(0), False), "a yes counts at once"
    assert quiet_answer(bench, settled=True) == (40 * SECOND, True)
    assert quiet_answer(bench, settled=True) == (timedelta(0), False), "now a no counts"


def test_of_several_writes_of_a_step_the_one_that_settles_last_counts() -> None:
    bench = Bench()
    for call_id, settles in enumerate([90 * SECOND, 10 * SECOND], 1):
        bench.perform(HttpCall("POST", "/x", settles_within=settles), call_id)
        bench.recorded(call_id)
        bench.dispatcher.ended(bench.run, call_id, Success(None))
        bench.clock.advance(SECOND)
    assert quiet_answer(bench, settled=True) == (88 * SECOND, True)


def test_what_a_former_run_intended_is_waited_for_before_the_first_look() -> None:
    bench = Bench()
    now = bench.clock.now()
    bench.run.steps.quiet["create"] = Quiet(now + 8 * SECOND, now + 38 * SECOND)
    assert quiet_answer(bench, settled=False) == (8 * SECOND, True)
    assert quiet_answer(bench, settled=True) == (30 * SECOND, True)


@given(
    events=st.lists(
        st.sampled_from(["perform", "record", "advance", "renew", "withdraw", "recorder"]),
        max_size=40,
    ),
    data=st.data(),
)
def test_whatever_happens_no_write_leaves_without_its_intent_or_after_its_time(
    events: list[str], data: st.DataObject
) -> None:
    bench = Bench()
    intended: dict[int, Any] = {}
    committed: set[int] = set()
    until: dict[int, Any] = {}
    for number, event in enumerate(events):
        match event:
            case "perform":
                bench.perform(data.draw(st.sampled_from(WRITES)), number, f"step-{number}")
                until[number] = bench.lease.until
            case "record" if intended:
                call_id = data.draw(st.sampled_from(sorted(intended)))
                committed.add(call_id)
                bench.recorded(call_id)
            case "advance":
                bench.clock.advance(data.draw(st.integers(0, 20)) * SECOND)
            case "renew":
                bench.lease.renew(bench.clock.now())
            case "withdraw" if intended:
                bench.dispatcher.withdraw(bench.run, [data.draw(st.sampled_from([*intended]))])
            case "recorder":
                bench.dispatcher.ask_again(bench.run, messages.RECORDER)
        for intent in bench.take(messages.RecordIntent):
            intended[intent.ticket.call_id] = intent
        for request in bench.sent():
            call_id = request.ticket.call_id
            assert call_id in committed
            assert bench.clock.now() < request.not_after <= until[call_id]
