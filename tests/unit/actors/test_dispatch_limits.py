"""Dispatch: what an answer says closes exactly its scope, for all lanes, for as long as it says."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from actors.lane_run import LaneRun
from plugins.ebay.rate_limits import INQUIRY
from runtime import Budgets, Level, Limit, messages
from runtime.answers.limit_signals import LimitHeaders, Signals
from runtime.errors import BudgetClosed, CallRejected, ConnectionLost, NotAuthorized
from runtime.rate_limits import Usage
from runtime.rate_limits.closures import Closure, ClosureKind, Scope
from runtime.runs.answer import Answer
from runtime.runs.calls import Failure, Success, WebSocketCall
from tests.support.actors.dispatch_bench import ACTOR, READ, SECOND, Bench

APP_KEY = Scope("x", Level.APP_KEY)
DAY = timedelta(days=1)
LOOK = WebSocketCall("LOOK", reads=True)


def shop(number: int) -> Scope:
    return Scope("x", Level.SHOP, number)


def answer(
    bench: Bench, run: LaneRun, call_id: int = 1, status: int = 200, **headers: str
) -> CallRejected | None:
    """The marketplace's API answers a call."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    envelope = Answer(status, named, good=status < 300)
    error = CallRejected(f"answered {status}", status=status)
    outcome = Success(1, envelope) if status < 300 else Failure(error, envelope)
    assert bench.dispatcher.ended(run, call_id, outcome)
    return None if status < 300 else error


def runs(bench: Bench, *shops: int) -> list[LaneRun]:
    """One run for each shop, each with a call that has left."""
    made = [bench.run(number, shop=number) for number in shops]
    for run in made:
        bench.perform(run, 1, READ)
    bench.sent()
    return made


def refusals(bench: Bench) -> list[tuple[int, BudgetClosed]]:
    """Jobs whose calls were refused, and with which error."""
    found = []
    for settled in bench.take(messages.CallEnded):
        assert isinstance(settled.outcome, Failure)
        assert isinstance(settled.outcome.error, BudgetClosed)
        found.append((settled.ticket.job_id, settled.outcome.error))
    return found


# --- 429 ------------------------------------------------------------------------------------


def test_a_429_stops_all_lanes_of_its_node_at_once_until_the_time_it_names() -> None:
    bench = Bench()
    first, second = runs(bench, 1, 2)
    error = answer(bench, first, status=429, retry_after="30")
    assert error is not None
    assert error.retry_at == bench.clock.now() + 30 * SECOND
    assert error.lane_closed
    (recorded,) = bench.take(messages.RecordClosure)
    closure = recorded.closure
    assert (closure.scope, closure.kind) == (APP_KEY, ClosureKind.RATE_LIMIT)
    assert closure.until == bench.clock.now() + 30 * SECOND
    bench.perform(second, 2, READ)
    bench.clock.advance(30 * SECOND - timedelta(microseconds=1))
    assert bench.sent() == []
    bench.clock.advance(timedelta(microseconds=1))
    assert bench.sent() == [(2, 2)]


def test_a_429_of_one_action_leaves_its_lane_open() -> None:
    bench = Bench(budgets=Budgets(speaks_of=Level.ACTION))
    (run,) = runs(bench, 1)
    error = answer(bench, run, status=429, retry_after="30")
    assert error is not None
    assert not error.lane_closed


def test_what_is_left_of_a_shop_s_quota_is_not_doubted_for_calls_of_others() -> None:
    quota = {"x_ratelimit_limit": "10;w=3600", "x_ratelimit_remaining": "5"}
    bench = Bench(budgets=Budgets(speaks_of=Level.SHOP), lane_calls=20)
    first, second = (bench.run(number, shop=number) for number in (1, 2))
    for call_id in range(1, 5):
        bench.perform(first, call_id, READ)
        bench.clock.advance(SECOND)
        answer(bench, first, call_id)
    for call_id in range(1, 13):
        bench.perform(second, call_id, READ)
    bench.perform(first, 5, READ)
    bench.sent()
    answer(bench, first, 5, 200, **quota)
    for call_id in range(6, 12):
        bench.perform(first, call_id, READ)
    assert bench.sent() == [(1, call_id) for call_id in range(6, 11)], "five are left"


def test_where_a_marketplace_limits_each_shop_the_others_go_on() -> None:
    bench = Bench(budgets=Budgets(speaks_of=Level.SHOP))
    first, second = runs(bench, 1, 2)
    answer(bench, first, status=429, retry_after="30")
    bench.perform(first, 2, READ)
    bench.perform(second, 2, READ)
    assert bench.sent() == [(2, 2)]


def test_calls_that_would_wait_for_long_end_their_run_instead() -> None:
    bench = Bench(budgets=Budgets(app_key=(Limit(1, 2 * SECOND),)))
    first, second, third = (bench.run(number, shop=number) for number in (1, 2, 3))
    for run in (first, second, third):
        bench.perform(run, 1, READ)
    bench.sent()
    answer(bench, first, status=429, retry_after="3600")
    until = bench.clock.now() + timedelta(hours=1)
    found = refusals(bench)
    assert {job for job, _ in found} == {2, 3}
    assert {error.until for _, error in found} == {until}
    assert "budget 'x app key' is closed until 2026-01-09T01:00:00+00:00" in str(found[0][1])
    assert bench.sent() == []


def test_of_several_answers_the_longest_wait_counts() -> None:
    bench = Bench()
    (run,) = runs(bench, 1)
    for call_id in (2, 3):
        bench.perform(run, call_id, READ)
    for call_id, seconds in ((1, "10"), (2, "40"), (3, "20")):
        answer(bench, run, call_id, status=429, retry_after=seconds)
    closed = [one.closure.until for one in bench.take(messages.RecordClosure)]
    assert closed == [bench.clock.now() + 10 * SECOND, bench.clock.now() + 40 * SECOND]


@pytest.mark.parametrize("value", ["0", "Thu, 01 Jan 2026 00:00:00 GMT"])
def test_one_that_refuses_and_says_now_is_not_asked_in_the_same_moment(value: str) -> None:
    bench = Bench()
    (run,) = runs(bench, 1)
    answer(bench, run, status=429, retry_after=value)
    bench.perform(run, 2, READ)
    assert bench.sent() == []
    bench.clock.advance(SECOND)
    assert bench.sent() == [(1, 2)]


def test_a_429_without_a_word_halves_the_rate_once_for_all_that_were_under_way() -> None:
    bench = Bench(budgets=Budgets(app_key=(Limit(10, SECOND),), cool_down=5 * SECOND))
    (run,) = runs(bench, 1)
    for call_id in (2, 3):
        bench.perform(run, call_id, READ)
    bench.clock.advance(SECOND)
    for call_id in (1, 2, 3):
        answer(bench, run, call_id, status=429)
    assert bench.dispatcher.pace.budgets.rate(APP_KEY, bench.clock.now()) == 0.5
    (recorded,) = bench.take(messages.RecordClosure)
    assert recorded.closure.until == bench.clock.now() + 5 * SECOND
    assert "50%" in recorded.closure.reason


def test_a_429_with_information_halves_nothing() -> None:
    bench = Bench(budgets=Budgets(app_key=(Limit(10, SECOND),)))
    (run,) = runs(bench, 1)
    answer(bench, run, status=429, retry_after="1")
    assert bench.dispatcher.pace.budgets.rate(APP_KEY, bench.clock.now()) == 1.0


def test_announced_limits_replace_the_configured_ones() -> None:
    own = LimitHeaders("x-limit-per-second", "x-remaining-this-second", SECOND)
    budgets = Budgets(app_key=(Limit(1, SECOND),))
    bench = Bench(budgets=budgets, lane_calls=99, limit_headers=(own,))
    (run,) = runs(bench, 1)
    answer(bench, run, x_limit_per_second="100", x_remaining_this_second="99")
    for call_id in range(2, 60):
        bench.perform(run, call_id, READ)
    bench.clock.advance(2 * SECOND)
    assert len(bench.sent()) == 58


def test_an_outcome_without_an_answer_says_nothing() -> None:
    bench = Bench()
    (run,) = runs(bench, 1)
    assert bench.dispatcher.ended(run, 1, Failure(ConnectionLost("x", status=429)))
    assert bench.take(messages.RecordClosure) == []


# --- asking where a 429 says nothing --------------------------------------------------------


def quotas(remaining: int, reset: datetime) -> Mapping[str, Any]:
    rate = {"limit": 5_000, "remaining": remaining, "reset": reset.isoformat()}
    resources = [{"name": "sell.inventory", "rates": [rate]}]
    return {"rateLimits": [{"apiContext": "sell", "apiName": "inventory", "resources": resources}]}


class Asking(Bench):
    """A dispatcher of a marketplace that can be asked for its limits."""

    def __init__(self) -> None:
        super().__init__(limit_inquiry=INQUIRY, budgets=Budgets(app_key=(Limit(99, SECOND),)))
        self.made = self.run(1, shop=1)
        for call_id in (1, 2):
            self.perform(self.made, call_id, type(READ)("GET", "/sell/inventory/v1/offer"))
        self.clock.advance(SECOND)
        self.sent()

    def inquiries(self) -> list[messages.HttpRequest]:
        return [one for one in self.take(messages.HttpRequest) if one.call == INQUIRY.call]


def test_it_is_asked_once_and_closed_until_the_quota_is_filled_again() -> None:
    bench = Asking()
    for call_id in (1, 2):
        answer(bench, bench.made, call_id, status=429)
    (request,) = bench.inquiries()
    bench.perform(bench.made, 3, READ)
    bench.clock.advance(SECOND)
    assert bench.sent() == [], "nothing goes through before it is known"
    reset = bench.clock.now() + timedelta(hours=2)
    settled = messages.CallEnded(request.ticket, Success(quotas(0, reset)))
    bench.dispatcher.pace.inquiry_ended(settled)
    told = [one for _, one in bench.directory.told if isinstance(one, messages.RecordOpening)]
    assert told == [], "what is closed anew is not written as open"
    ((job, error),) = refusals(bench)
    assert (job, error.until) == (1, reset)
    assert bench.dispatcher.pace.budgets.rate(APP_KEY, bench.clock.now()) == 1.0


@pytest.mark.parametrize("outcome", [Success(None), Failure(ConnectionLost("gone"))])
def test_an_inquiry_that_tells_nothing_leaves_the_rate_halved(
    outcome: Success | Failure,
) -> None:
    bench = Asking()
    answer(bench, bench.made, 1, status=429)
    (request,) = bench.inquiries()
    bench.perform(bench.made, 3, READ)
    bench.dispatcher.pace.inquiry_ended(messages.CallEnded(request.ticket, outcome))
    assert bench.dispatcher.pace.budgets.rate(APP_KEY, bench.clock.now()) == 0.5
    bench.clock.advance(5 * SECOND)
    assert bench.sent() == [(1, 3)]


def test_an_inquiry_that_got_lost_closes_nothing_for_ever_and_is_made_again() -> None:
    bench = Asking()
    answer(bench, bench.made, 1, status=429)
    assert len(bench.inquiries()) == 1
    bench.perform(bench.made, 3, READ)
    bench.clock.advance(30 * SECOND)
    assert bench.sent() == [(1, 3)]
    answer(bench, bench.made, 3, status=429)
    assert len(bench.inquiries()) == 1


# --- the account ----------------------------------------------------------------------------


def test_a_captcha_stops_the_account_until_a_person_has_done_something() -> None:
    bench = Bench(browser_bound=True, budgets=Budgets(speaks_of=Level.SHOP))
    first, second = bench.run(1, shop=1), bench.run(2, shop=2)
    bench.perform(first, 1, LOOK)
    rejected = Failure(CallRejected("blocked", status=403))
    assert bench.dispatcher.ended(first, 1, rejected)
    (recorded,) = bench.take(messages.RecordClosure)
    closure = recorded.closure
    assert (closure.scope, closure.kind, closure.until) == (shop(1), ClosureKind.NEEDS_USER, None)
    bench.perform(first, 2, LOOK)
    bench.perform(second, 1, LOOK)
    assert [job for job, _ in refusals(bench)] == [1]
    assert (2, 1) in bench.sent()


def test_a_shop_whose_seller_has_to_consent_again_is_closed() -> None:
    bench = Bench()
    (run,) = runs(bench, 1)
    assert bench.dispatcher.ended(run, 1, Failure(NotAuthorized(1, "etsy", "grant ended")))
    (recorded,) = bench.take(messages.RecordClosure)
    assert (recorded.closure.scope, recorded.closure.kind) == (shop(1), ClosureKind.NEEDS_AUTH)
    assert "grant ended" in recorded.closure.reason


def test_a_good_answer_of_the_shop_opens_it() -> None:
    bench = Bench()
    (run,) = runs(bench, 1)
    bench.perform(run, 2, READ)
    bench.sent()
    bench.clock.advance(SECOND)
    answer(bench, run, 1, status=401)
    answer(bench, run, 2)
    assert bench.take(messages.RecordOpening) == [], "that call had left before"
    bench.dispatcher.pace.closures_loaded(())
    bench.clock.advance(20 * SECOND)
    closed = Closure(shop(1), ClosureKind.NEEDS_AUTH, "401", bench.clock.now())
    bench.perform(run, 3, READ)
    bench.dispatcher.pace.closures_loaded([closed])
    bench.take(messages.CallEnded)
    bench.clock.advance(20 * SECOND)
    bench.dispatcher.pace.closures_loaded(())
    bench.perform(run, 4, READ)
    bench.dispatcher.pace.closures_loaded([closed])
    answer(bench, run, 4)
    (opened,) = bench.take(messages.RecordOpening)
    assert (opened.scope, opened.kind) == (shop(1), ClosureKind.NEEDS_AUTH)


# --- closures of others ---------------------------------------------------------------------


def test_loaded_closures_close_and_open_and_whoever_waits_is_tried_again() -> None:
    bench = Bench()
    run = bench.run()
    until = bench.clock.now() + 50 * SECOND
    closed = Closure(APP_KEY, ClosureKind.RATE_LIMIT, "a 429", bench.clock.now(), until)
    bench.dispatcher.pace.closures_loaded([closed])
    bench.perform(run, 1, READ)
    bench.clock.advance(20 * SECOND)
    assert bench.sent() == []
    bench.dispatcher.pace.closures_loaded(())
    assert bench.sent() == [(1, 1)]


def test_what_an_operator_opened_is_open_at_once() -> None:
    bench = Bench()
    (run,) = runs(bench, 1)
    answer(bench, run, status=429, retry_after="50")
    bench.dispatcher.pace.closures_loaded(())
    bench.perform(run, 2, READ)
    assert bench.sent() == [(1, 2)]


# --- usage ----------------------------------------------------------------------------------


def test_calls_wait_until_it_is_known_what_was_used_before() -> None:
    bench = Bench(budgets=Budgets(app_key=(Limit(3, DAY),)))
    bench.dispatcher.pace.started()
    (wanted,) = bench.take(messages.UsageWanted)
    assert (wanted.reply_to, wanted.marketplace) == (ACTOR, "x")
    run = bench.run()
    bench.perform(run, 1, READ)
    assert bench.sent() == []
    former = Usage(APP_KEY, DAY, bench.clock.now() - timedelta(hours=1), 2)
    for _ in range(2):
        bench.dispatcher.pace.usage_loaded(messages.UsageLoaded((former,)))
    (recorded,) = bench.take(messages.RecordUsage)
    assert [(one.scope, one.count) for one in recorded.usage] == [(APP_KEY, 1)]
    assert bench.sent() == [(1, 1)]
    bench.perform(run, 2, READ)
    ((job, error),) = refusals(bench)
    assert job == 1
    assert error.until is not None
    assert timedelta(hours=22) < error.until - bench.clock.now() < timedelta(hours=24)


# --- a marketplace's own reader -------------------------------------------------------------


def test_a_marketplace_may_read_its_answers_itself() -> None:
    def read(given: Answer, now: datetime) -> Signals:
        told = given.headers.get("x-please-wait")
        return (
            Signals(until=now + float(told) * SECOND, reason="asked to wait")
            if told
            else (Signals())
        )

    bench = Bench(read_answer=read)
    (run,) = runs(bench, 1)
    answer(bench, run, x_please_wait="7")
    bench.perform(run, 2, READ)
    bench.clock.advance(6 * SECOND)
    assert bench.sent() == []
    bench.clock.advance(SECOND)
    assert bench.sent() == [(1, 2)]


def test_a_reader_that_fails_is_complained_of_and_the_common_one_used() -> None:
    def read(given: Answer, now: datetime) -> Signals:
        raise KeyError("x")

    bench = Bench(read_answer=read)
    (run,) = runs(bench, 1)
    answer(bench, run, status=429, retry_after="7")
    (recorded,) = bench.take(messages.RecordClosure)
    assert recorded.closure.until == bench.clock.now() + 7 * SECOND


# --- the last word --------------------------------------------------------------------------


def test_what_an_inquiry_closes_is_the_last_word_on_its_scope() -> None:
    bench = Asking()
    answer(bench, bench.made, 1, status=429)
    (request,) = bench.inquiries()
    reset = bench.clock.now() + timedelta(hours=2)
    settled = messages.CallEnded(request.ticket, Success(quotas(0, reset)))
    bench.dispatcher.pace.inquiry_ended(settled)
    kinds = (messages.RecordClosure, messages.RecordOpening)
    words = [one for _, one in bench.directory.told if isinstance(one, kinds)]
    assert isinstance(words[-1], messages.RecordClosure)
    assert words[-1].closure.until == reset


def test_a_quota_that_is_used_up_is_closed_for_claims_too() -> None:
    quota = Limit(1, timedelta(hours=1))
    bench = Bench(budgets=Budgets(app_key=(quota,)))
    bench.dispatcher.pace.usage_loaded(messages.UsageLoaded(()))
    first, second = bench.run(1, shop=1), bench.run(2, shop=2)
    bench.perform(first, 1, READ)
    bench.perform(second, 1, READ)
    bench.perform(second, 2, READ)
    (_, error), (_, _) = refusals(bench)
    (recorded,) = bench.take(messages.RecordClosure)
    assert (recorded.closure.scope, recorded.closure.until) == (APP_KEY, error.until)


def test_a_429_says_whether_the_lane_is_closed_with_its_scope() -> None:
    for level, closed in ((Level.APP_KEY, True), (Level.SHOP, True), (Level.ACTION, False)):
        bench = Bench(budgets=Budgets(speaks_of=level))
        (run,) = runs(bench, 1)
        error = answer(bench, run, status=429, retry_after="30")
        assert error is not None
        assert error.lane_closed is closed
