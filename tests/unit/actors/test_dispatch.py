"""Dispatch: each call leaves when its lane and its pace allow, and not after nobody wants it."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import messages
from runtime.errors import ConnectionLost, DatabaseUnavailable
from runtime.process.clock import ManualClock
from runtime.runs.calls import (
    BlockingCall,
    Call,
    Failure,
    HttpCall,
    RecordStep,
    SleepCall,
    Success,
    TransactionCall,
    WebSocketCall,
)
from runtime.runs.execution import Perform
from runtime.runs.journal import StepStatus
from tests.support.actors.dispatch_bench import ACTOR, READ, SECOND, WRITE, Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.workers.stop()


def test_the_record_of_a_step_tells_how_long_it_took_with_all_that_it_waited_for(
    bench: Bench,
) -> None:
    run = bench.run()
    bench.dispatcher.perform(run, Perform(1, READ, "inner", "outer"))
    bench.clock.advance(8 * SECOND)
    done = RecordStep("inner", StepStatus.SUCCEEDED, result="1")
    bench.dispatcher.perform(run, Perform(2, done, "inner", "outer"))
    bench.clock.advance(SECOND)
    bench.dispatcher.perform(run, Perform(3, replace(done, name="outer"), "outer"))
    inner, outer = bench.take(messages.RecordOutcome)
    assert (inner.took, outer.took) == (8 * SECOND, 9 * SECOND)


# --- where calls go -------------------------------------------------------------------------


def test_an_http_call_goes_to_the_http_actor_with_the_timeout_of_its_action(bench: Bench) -> None:
    run = bench.run()
    bench.perform(run, 5, READ)
    ticket = messages.CallTicket(ACTOR, 1, 3, 5)
    assert bench.directory.told == [
        (messages.HTTP, messages.HttpRequest(ticket, "x", 2, READ, 30 * SECOND))
    ]


def test_a_timeout_of_its_own_comes_before_that_of_the_action(bench: Bench) -> None:
    run = bench.run()
    bench.perform(run, 1, HttpCall("GET", "/x", timeout=2 * SECOND))
    bench.perform(run, 2, WebSocketCall("LOOK", timeout=3 * SECOND))
    assert [message.timeout for _, message in bench.directory.told] == [2 * SECOND, 3 * SECOND]


def test_a_command_goes_to_the_bridge_under_an_id_that_nobody_guesses(bench: Bench) -> None:
    run = bench.run()
    bench.perform(run, 1, WebSocketCall("LOOK", {"page": 1}, reads=True))
    bench.perform(run, 2, WebSocketCall("PUBLISH"))
    (to, look), (_, publish) = bench.directory.told
    assert to == messages.BRIDGE
    assert (look.user_id, look.action, look.payload) == (7, "LOOK", {"page": 1})
    assert (look.timeout, look.writes, look.repeated) == (30 * SECOND, False, False)
    assert publish.writes
    assert look.request_id != publish.request_id
    assert len(look.request_id) >= 24


def test_a_sleep_is_answered_when_it_is_over(bench: Bench) -> None:
    run = bench.run()
    bench.perform(run, 1, SleepCall(10 * SECOND))
    bench.clock.advance(9 * SECOND)
    assert bench.directory.told == []
    bench.clock.advance(SECOND)
    ended = messages.CallEnded(run.ticket(ACTOR, 1), Success(None))
    assert bench.directory.told == [(ACTOR, ended)]


def test_blocking_work_is_done_on_the_worker_pool(bench: Bench) -> None:
    run = bench.run()
    bench.perform(run, 1, BlockingCall(threading.get_ident))
    assert bench.directory.arrived.acquire(timeout=60)
    ((_, ended),) = bench.directory.told
    assert ended.ticket == run.ticket(ACTOR, 1)
    assert ended.outcome.value != threading.get_ident()


def test_a_transaction_is_made_on_the_worker_pool(bench: Bench) -> None:
    run = bench.run()
    bench.perform(run, 1, TransactionCall("store", lambda session: session.connection()))
    bench.workers._stopping.set()  # else it waits for the database
    assert bench.directory.arrived.acquire(timeout=30)
    ((_, ended),) = bench.directory.told
    assert isinstance(ended.outcome.error, DatabaseUnavailable)


def test_work_and_sleep_are_neither_paced_nor_counted(bench: Bench) -> None:
    run = bench.run(rate=10 * SECOND)
    for call_id, call in enumerate([SleepCall(SECOND), BlockingCall(int), READ]):
        bench.perform(run, call_id, call)
    assert bench.dispatcher.pace.in_flight(run) == 1
    assert (1, 2) in bench.sent()


# --- pace -----------------------------------------------------------------------------------


def test_the_actor_works_for_the_job_whose_write_has_its_turn(bench: Bench) -> None:
    for number in (1, 2):
        bench.perform(bench.run(number, rate=SECOND), 1, WRITE)
    bench.clock.advance(5 * SECOND)
    assert bench.intended_for == [1, 2]
    assert bench.pulse.job_id is None


def test_between_two_calls_of_an_action_the_rate_limit_is_kept(bench: Bench) -> None:
    run = bench.run(rate=2 * SECOND)
    for call_id in (1, 2, 3):
        bench.perform(run, call_id, READ)
    assert bench.sent() == [(1, 1)]
    bench.clock.advance(2 * SECOND - timedelta(microseconds=1))
    assert bench.sent() == []
    bench.clock.advance(timedelta(microseconds=1))
    assert bench.sent() == [(1, 2)]
    bench.clock.advance(2 * SECOND)
    assert bench.sent() == [(1, 3)]
    assert bench.clock.next_due() is None
    assert bench.woken == 2, "nobody is woken for nothing"


def test_jobs_of_one_action_share_the_pace_and_other_actions_have_their_own(bench: Bench) -> None:
    bench.perform(bench.run(1, 2 * SECOND), 1, READ)
    bench.perform(bench.run(2, 2 * SECOND, action="publish"), 1, READ)
    assert bench.sent() == [(1, 1), (2, 1)]
    bench.perform(bench.run(3, 2 * SECOND), 1, READ)
    assert bench.sent() == []
    bench.clock.advance(2 * SECOND)
    assert bench.sent() == [(3, 1)]


@given(pauses=st.lists(st.integers(0, 3_000), max_size=30), browser_bound=st.booleans())
def test_whenever_calls_are_made_they_leave_in_order_and_apart(
    pauses: list[int], browser_bound: bool
) -> None:
    bench = Bench(browser_bound=browser_bound)
    run = bench.run(rate=SECOND)
    left: list[tuple[int, datetime]] = []

    def look() -> None:
        for _, call_id in bench.sent():
            left.append((call_id, bench.clock.now()))
            assert not browser_bound or bench.dispatcher.pace.in_flight(run) == 1
            bench.clock.call_at(bench.clock.now() + 1.5 * SECOND, "answer", call_id)

    def fall_due(name: str, message: Any) -> None:
        if name == "answer":
            bench.dispatcher.ended(run, message, Success(None))
        else:
            bench.dispatcher.pace.pump()
        look()

    bench.clock = ManualClock(fall_due)
    pace = bench.dispatcher.pace
    bench.dispatcher._clock = pace._clock = pace._alarm._clock = bench.clock
    for call_id, pause in enumerate(pauses):
        bench.clock.advance(timedelta(milliseconds=pause))
        bench.perform(run, call_id, READ)
        look()
    bench.clock.advance(60 * SECOND)
    assert [call_id for call_id, _ in left] == list(range(len(pauses)))
    assert all(later - earlier >= SECOND for (_, earlier), (_, later) in pairwise(left))
    assert bench.dispatcher.pace.in_flight(run) == 0


# --- room in the lane -----------------------------------------------------------------------


def test_a_lane_has_so_many_calls_in_flight_and_no_more() -> None:
    bench = Bench(lane_calls=2)
    run = bench.run()
    for call_id in (1, 2, 3, 4):
        bench.perform(run, call_id, READ)
    assert bench.sent() == [(1, 1), (1, 2)]
    assert bench.dispatcher.ended(run, 2, Success(None))
    assert bench.sent() == [(1, 3)]


def test_a_browser_has_one_call_in_flight_whatever_the_record_says() -> None:
    bench = Bench(browser_bound=True, lane_calls=8)
    first, second = bench.run(1), bench.run(2)
    bench.perform(first, 1, WebSocketCall("LOOK"))
    bench.perform(first, 2, WebSocketCall("LOOK"))
    bench.perform(second, 1, WebSocketCall("LOOK"))
    assert bench.sent() == [(1, 1)]
    bench.dispatcher.ended(first, 1, Success(None))
    assert bench.sent() == [(1, 2)]
    bench.dispatcher.ended(first, 2, Success(None))
    assert bench.sent() == [(2, 1)]


def test_an_outcome_counts_once() -> None:
    bench = Bench(lane_calls=1)
    run = bench.run()
    for call_id in (1, 2, 3):
        bench.perform(run, call_id, READ)
    assert bench.dispatcher.ended(run, 1, Success(None))
    assert not bench.dispatcher.ended(run, 1, Success(None))
    assert not bench.dispatcher.ended(run, 99, Success(None))
    assert bench.dispatcher.pace.in_flight(run) == 1
    assert bench.sent() == [(1, 1), (1, 2)]


# --- taking back ----------------------------------------------------------------------------


@pytest.mark.parametrize("call", [WRITE, WebSocketCall("PUBLISH")], ids=["http", "browser"])
def test_of_calls_that_are_withdrawn_together_none_leaves_in_the_place_of_another(
    call: Call,
) -> None:
    bench = Bench(lane_calls=1)
    run, other = bench.run(1), bench.run(2)
    for call_id in (1, 2, 3):
        bench.perform(run, call_id, call)
    bench.perform(other, 1, call)
    assert bench.sent() == [(1, 1)]
    bench.dispatcher.withdraw_all(run)
    assert bench.sent() == [(2, 1)], "the place goes to a call that is wanted"
    assert run.calls == {}


def test_the_bridge_is_told_of_a_command_that_nobody_waits_for_any_more(bench: Bench) -> None:
    run = bench.run()
    bench.perform(run, 1, WebSocketCall("LOOK"))
    ((_, command),) = bench.directory.told
    bench.dispatcher.withdraw(run, [1])
    assert bench.directory.told[1:] == [
        (messages.BRIDGE, messages.BrowserCommandWithdrawn(command.request_id))
    ]
    assert not bench.dispatcher.ended(run, 1, Success(None))
    bench.dispatcher.withdraw(run, [1])
    assert bench.dispatcher.pace.in_flight(run) == 0


def test_a_withdrawn_call_costs_no_pace(bench: Bench) -> None:
    run = bench.run(rate=2 * SECOND)
    for call_id in (1, 2, 3):
        bench.perform(run, call_id, READ)
    bench.dispatcher.withdraw(run, [2])
    bench.sent()
    bench.clock.advance(2 * SECOND)
    assert bench.sent() == [(1, 3)]


def test_calls_of_a_run_that_is_gone_do_not_leave_and_hold_up_nobody() -> None:
    bench = Bench(lane_calls=1)
    run, gone, other = bench.run(1), bench.run(2), bench.run(3)
    for one in (run, gone, other):
        bench.perform(one, 1, READ)
    del bench.runs[2]
    bench.sent()
    bench.dispatcher.ended(run, 1, Success(None))
    assert bench.sent() == [(3, 1)]


def test_once_closed_nothing_leaves_any_more() -> None:
    bench = Bench(lane_calls=1)
    run, other = bench.run(1), bench.run(2)
    bench.perform(run, 1, WRITE)
    bench.perform(other, 1, WRITE)
    bench.sent()
    bench.dispatcher.pace.close()
    bench.dispatcher.withdraw_all(run)
    assert bench.sent() == []


# --- asking again ---------------------------------------------------------------------------


def test_a_bridge_that_forgot_is_asked_again_under_the_same_id(bench: Bench) -> None:
    run = bench.run()
    bench.perform(run, 1, WebSocketCall("PUBLISH"))
    bench.perform(run, 2, READ)
    ((_, command), _) = bench.directory.told
    bench.directory.told.clear()
    for _ in range(2):
        bench.dispatcher.ask_again(run, messages.BRIDGE)
    again = [message for _, message in bench.directory.told]
    assert [(one.request_id, one.ticket) for one in again] == [
        (command.request_id, command.ticket)
    ] * 2
    assert all(one.repeated for one in again), "it may have reached the browser before"


def test_what_was_never_sent_is_not_asked_again() -> None:
    bench = Bench(lane_calls=1)
    run = bench.run()
    for call_id in (1, 2):
        bench.perform(run, call_id, WebSocketCall("LOOK"))
    bench.directory.told.clear()
    bench.dispatcher.ask_again(run, messages.BRIDGE)
    assert bench.sent() == [(1, 1)]


@pytest.mark.parametrize(("call", "writes"), [(READ, False), (WRITE, True)])
def test_an_http_call_whose_actor_failed_is_lost_and_not_sent_again(
    bench: Bench, call: HttpCall, writes: bool
) -> None:
    run = bench.run()
    bench.perform(run, 1, call)
    bench.perform(run, 2, WebSocketCall("LOOK"))
    bench.directory.told.clear()
    bench.dispatcher.ask_again(run, messages.HTTP)
    ((to, ended),) = bench.directory.told
    assert (to, ended.ticket) == (ACTOR, run.ticket(ACTOR, 1))
    assert isinstance(ended.outcome, Failure)
    assert isinstance(ended.outcome.error, ConnectionLost)
    assert ended.outcome.error.writes is writes


def test_an_http_call_that_has_not_left_is_not_lost() -> None:
    bench = Bench(lane_calls=1)
    run = bench.run()
    for call_id in (1, 2):
        bench.perform(run, call_id, WRITE)
    bench.directory.told.clear()
    bench.dispatcher.ask_again(run, messages.HTTP)
    assert [one.ticket.call_id for _, one in bench.directory.told] == [1]


def test_what_another_actor_forgot_is_no_concern_of_these_calls(bench: Bench) -> None:
    run = bench.run()
    bench.perform(run, 1, WebSocketCall("LOOK"))
    bench.directory.told.clear()
    bench.dispatcher.ask_again(run, messages.RECORDER)
    assert bench.directory.told == []
