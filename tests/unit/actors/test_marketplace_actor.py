"""The marketplace actor: jobs come in, calls go out, outcomes come back, endings are recorded."""

from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from actors import runs
from runtime import BaseJobHandler, Job, JobFailed, NeedsUser, messages
from runtime.errors import BrowserNotReady, CallRejected, FenceLost, SellerNotConnected
from runtime.messages import LanesFound, LaneShop
from runtime.runs.calls import Success
from runtime.runs.job_states import JobEvent
from tests.support.actors.marketplace_bench import SECOND, MarketplaceBench


class Sync(BaseJobHandler):
    """Reads twice and says how far it is."""

    async def execute(self, job: Job) -> Any:
        first = await self.call_http("GET", "/1")
        await self.progress(1, 2, "half")
        second = await self.call_http("GET", "/2")
        return {"seen": [first, second]}


class Look(BaseJobHandler):
    """Asks the browser once."""

    async def execute(self, job: Job) -> Any:
        return await self.call_websocket("LOOK", {"page": 1}, reads=True)


class Store(BaseJobHandler):
    """Is told that its transaction lost the job."""

    async def execute(self, job: Job) -> Any:
        try:
            await self.transaction("store", int)
        finally:
            raise AssertionError("a run that lost its job went on")


class Exit(BaseJobHandler):
    async def execute(self, job: Job) -> Any:
        raise SystemExit(3)


class Stop(BaseJobHandler):
    """Finds out by itself that the account cannot be used."""

    error: Exception = NeedsUser("somebody else is logged in")

    async def execute(self, job: Job) -> Any:
        raise self.error


class Refuse(BaseJobHandler):
    async def execute(self, job: Job) -> Any:
        raise JobFailed("sold elsewhere")


HANDLERS = {
    "sync": Sync,
    "look": Look,
    "store": Store,
    "exit": Exit,
    "refuse": Refuse,
    "stop": Stop,
}
FOUND = LanesFound((LaneShop(2, 7),))


@pytest.fixture
def bench() -> MarketplaceBench:
    return MarketplaceBench(HANDLERS, lane_concurrency=3)


@pytest.fixture
def browsers() -> MarketplaceBench:
    return MarketplaceBench(HANDLERS, browser_bound=True)


def asked(bench: MarketplaceBench) -> list[messages.ClaimRequested]:
    return bench.told(messages.ClaimRequested)


# --- jobs come in ---------------------------------------------------------------------------


def test_where_work_was_found_jobs_are_asked_for_once_at_a_time(bench: MarketplaceBench) -> None:
    bench.receive(FOUND)
    (request,) = asked(bench)
    assert (request.marketplace, [one.lane for one in request.lanes]) == ("shop", [2])
    bench.receive(LanesFound((LaneShop(3, 8),)))
    assert asked(bench) == [], "one claim at a time"
    bench.claim(waiting={2: None})
    (again,) = asked(bench)
    assert [one.lane for one in again.lanes] == [3]
    assert again.sequence > request.sequence
    bench.claim(waiting={3: None})
    assert asked(bench) == []


def test_a_claim_that_failed_is_made_again(bench: MarketplaceBench) -> None:
    bench.receive(FOUND)
    (request,) = asked(bench)
    bench.receive(messages.ClaimFailed(request.sequence))
    assert [one.lanes for one in asked(bench)] == [request.lanes]


def test_a_claim_that_is_never_answered_is_given_up(bench: MarketplaceBench) -> None:
    bench.receive(FOUND)
    (lost,) = asked(bench)
    bench.clock.advance(9 * SECOND)
    bench.receive(FOUND)
    assert asked(bench) == []
    bench.clock.advance(SECOND)
    bench.receive(FOUND)
    (again,) = asked(bench)
    bench.receive(messages.ClaimFailed(lost.sequence))
    assert asked(bench) == [], "the late answer is not the answer to the new one"
    assert again.sequence > lost.sequence


def test_a_job_that_is_due_later_is_asked_for_then(bench: MarketplaceBench) -> None:
    bench.receive(FOUND)
    bench.claim(waiting={2: 20 * SECOND})
    asked(bench)
    bench.clock.advance(19 * SECOND)
    assert asked(bench) == []
    bench.clock.advance(SECOND)
    assert len(asked(bench)) == 1


@pytest.mark.parametrize("delay", [timedelta(days=2_900_000), timedelta.max])
def test_a_job_that_is_due_in_the_year_9999_harms_nobody(
    bench: MarketplaceBench, delay: timedelta
) -> None:
    bench.receive(FOUND)
    bench.claim(waiting={2: delay})
    asked(bench)
    bench.receive(FOUND)
    assert len(asked(bench)) == 1


def test_only_where_browsers_execute_sellers_are_asked_for(
    bench: MarketplaceBench, browsers: MarketplaceBench
) -> None:
    bench.actor.started()
    browsers.actor.started()
    assert bench.told(messages.PresenceWanted) == []
    assert browsers.told(messages.PresenceWanted) == [messages.PresenceWanted("marketplace:shop")]


def test_a_browser_bound_job_is_asked_for_only_while_its_seller_is_connected(
    browsers: MarketplaceBench,
) -> None:
    browsers.receive(FOUND)
    assert asked(browsers) == []
    browsers.receive(messages.SellerConnected(7))
    (request,) = asked(browsers)
    assert [(one.lane, one.shop_ids, one.room) for one in request.lanes] == [(7, (2,), 1)]
    browsers.receive(messages.SellerDisconnected(7), messages.ClaimFailed(request.sequence))
    assert asked(browsers) == []


# --- runs go on -----------------------------------------------------------------------------


def test_a_job_runs_from_call_to_call_to_its_result(bench: MarketplaceBench) -> None:
    bench.claim(bench.job(1))
    (first,) = bench.told(messages.HttpRequest)
    assert first.call.path == "/1"
    bench.answer(first, "a")
    assert bench.told(messages.RecordProgress) == [
        messages.RecordProgress(1, 1, {"current": 1, "total": 2, "message": "half"})
    ]
    (second,) = bench.told(messages.HttpRequest)
    bench.answer(second, "b")
    settlement = bench.settlement()
    assert (settlement.job_id, settlement.fence) == (1, 1)
    assert settlement.event is JobEvent.COMPLETE
    assert settlement.result == {"seen": ["a", "b"]}


def test_outcomes_that_are_late_doubled_or_of_another_run_are_ignored(
    bench: MarketplaceBench,
) -> None:
    bench.claim(bench.job(1, fence=5))
    (first,) = bench.told(messages.HttpRequest)
    stale = messages.CallTicket("marketplace:shop", 1, 4, first.ticket.call_id)
    bench.receive(messages.CallEnded(stale, Success("of another run")))
    bench.receive(messages.CallEnded(messages.CallTicket("x", 99, 1, 1), Success(None)))
    assert bench.told(messages.HttpRequest) == []
    bench.answer(first, "a")
    bench.answer(first, "again")
    (second,) = bench.told(messages.HttpRequest)
    bench.answer(second, "b")
    bench.answer(second, "again")
    assert bench.settlement().result == {"seen": ["a", "b"]}


def test_jobs_of_a_lane_run_beside_each_other_where_it_has_places(bench: MarketplaceBench) -> None:
    bench.claim(*(bench.job(number) for number in (1, 2, 3, 4)))
    requests = bench.told(messages.HttpRequest)
    assert [one.ticket.job_id for one in requests] == [1, 2, 3]


def test_whatever_a_handler_does_the_other_jobs_go_on(bench: MarketplaceBench) -> None:
    bench.claim(bench.job(1, "exit"), bench.job(2, "sync"), bench.job(3, "no_such"))
    settled = {
        one.settlement.job_id: one.settlement for one in bench.told(messages.RecordSettlement)
    }
    assert settled[1].event is JobEvent.RETRY
    assert "SystemExit: 3" in str(settled[1].error)
    assert settled[3].event is JobEvent.FAIL
    assert str(settled[3].error).startswith("Unknown action: no_such_shop")
    assert [one.ticket.job_id for one in bench.told(messages.HttpRequest)] == [2]


def test_a_handler_that_holds_the_actor_is_named_in_a_warning(
    bench: MarketplaceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with capture_logs() as quiet:
        bench.claim(bench.job(1))
    monkeypatch.setattr(runs, "SLOW_ADVANCE", timedelta(microseconds=-1))
    with capture_logs() as logs:
        bench.claim(bench.job(2))
    assert [one for one in quiet if one["log_level"] == "warning"] == []
    (warning,) = [one for one in logs if one["log_level"] == "warning"]
    assert "run_blocking" in warning["event"]
    assert (warning["handler"], warning["job"], warning["fence"]) == ("sync_shop", 2, 1)


# --- endings are recorded -------------------------------------------------------------------


def test_a_place_is_free_only_when_the_ending_is_recorded(bench: MarketplaceBench) -> None:
    bench.claim(bench.job(1, "refuse"))
    settlement = bench.settlement()
    assert settlement.error == "sold elsewhere"
    assert bench.room() == {}, "nothing is known to be there"
    bench.receive(FOUND)
    assert bench.room() == {2: 2}
    bench.recorded(settlement)
    assert bench.room() == {2: 3}
    bench.recorded(settlement)
    assert bench.room() == {2: 3}, "a second acknowledgement frees nothing"


def test_a_place_that_comes_free_goes_to_the_next_job(bench: MarketplaceBench) -> None:
    bench.claim(*(bench.job(number, "refuse") for number in (1, 2, 3)), bench.job(4))
    settled = [one.settlement for one in bench.told(messages.RecordSettlement)]
    assert bench.told(messages.HttpRequest) == []
    bench.recorded(settled[1])
    assert [one.ticket.job_id for one in bench.told(messages.HttpRequest)] == [4]


def test_a_run_that_had_lost_its_job_ends_like_any_other(bench: MarketplaceBench) -> None:
    bench.claim(bench.job(1, "refuse"))
    bench.recorded(bench.settlement(), written=False)
    bench.receive(FOUND)
    assert bench.room() == {2: 3}


def test_a_result_that_the_database_refuses_fails_the_job(bench: MarketplaceBench) -> None:
    bench.claim(bench.job(1, "refuse"))
    first = bench.settlement()
    bench.receive(messages.SettlementInvalid(1, 1, "value too long"))
    second = bench.settlement()
    assert first != second
    assert second.event is JobEvent.FAIL
    assert second.error == "the result cannot be stored: value too long"
    bench.receive(FOUND)
    assert bench.room() == {2: 2}
    bench.receive(messages.SettlementInvalid(1, 1, "still"))
    assert bench.told(messages.RecordSettlement) == []
    assert bench.room() == {2: 3}


def test_a_run_whose_transaction_found_the_job_lost_is_dropped(bench: MarketplaceBench) -> None:
    bench.claim(bench.job(1, "store"))
    ticket = messages.CallTicket("marketplace:shop", 1, 1, 1)
    bench.fail(messages.CallEnded(ticket, Success(None)), FenceLost(1, 1))
    assert bench.told(messages.RecordSettlement) == []
    bench.receive(FOUND)
    assert bench.room() == {2: 3}


def test_a_job_that_comes_again_before_its_ending_is_acknowledged_loses_no_place(
    bench: MarketplaceBench,
) -> None:
    bench.claim(bench.job(1, "refuse"))
    former = bench.settlement()
    bench.claim(bench.job(1, "sync", fence=2))
    bench.recorded(former)
    (request,) = bench.told(messages.HttpRequest)
    assert request.ticket.fence == 2
    bench.receive(FOUND)
    assert bench.room() == {2: 2}


def test_a_run_whose_job_was_claimed_again_sends_nothing_more(bench: MarketplaceBench) -> None:
    bench.claim(bench.job(1))
    (of_the_former,) = bench.told(messages.HttpRequest)
    bench.claim(bench.job(1, fence=2))
    (of_the_new,) = bench.told(messages.HttpRequest)
    bench.answer(of_the_former, "late")
    assert bench.told(messages.HttpRequest) == []
    bench.answer(of_the_new, "a")
    (second,) = bench.told(messages.HttpRequest)
    assert second.ticket.fence == 2
    bench.receive(FOUND)
    assert bench.room() == {2: 2}


# --- sellers who are away -------------------------------------------------------------------


def test_a_job_whose_seller_left_waits_for_the_seller(browsers: MarketplaceBench) -> None:
    browsers.receive(FOUND, messages.SellerConnected(7))
    browsers.claim(browsers.job(1, "look"))
    (request,) = browsers.told(messages.BrowserCommand)
    asked(browsers)
    browsers.fail(request, SellerNotConnected(7))
    settlement = browsers.settlement()
    assert settlement.event is JobEvent.SNOOZE
    assert settlement.waiting_reason == "User 7 not connected via WebSocket"
    browsers.recorded(settlement)
    assert asked(browsers) == []
    browsers.receive(messages.SellerConnected(7))
    assert len(asked(browsers)) == 1


def test_a_seller_who_came_back_before_the_run_ended_is_not_overlooked(
    browsers: MarketplaceBench,
) -> None:
    browsers.receive(FOUND, messages.SellerConnected(7))
    browsers.claim(browsers.job(1, "look"))
    (request,) = browsers.told(messages.BrowserCommand)
    browsers.fail(request, SellerNotConnected(7))
    assert browsers.told(messages.PresenceWanted) == [
        messages.PresenceWanted("marketplace:shop", 7)
    ]


def test_a_page_that_could_not_begin_is_left_alone_for_a_while(browsers: MarketplaceBench) -> None:
    browsers.receive(FOUND, messages.SellerConnected(7))
    browsers.claim(browsers.job(1, "look"))
    (request,) = browsers.told(messages.BrowserCommand)
    asked(browsers)
    browsers.fail(request, BrowserNotReady("the plugin is gone", error_code="plugin_missing"))
    settlement = browsers.settlement()
    assert (settlement.event, settlement.waiting_reason) == (JobEvent.SNOOZE, "the plugin is gone")
    browsers.recorded(settlement)
    browsers.clock.advance(settlement.delay - SECOND)
    assert (asked(browsers), browsers.told(messages.PresenceWanted)) == ([], [])
    browsers.clock.advance(SECOND)
    assert browsers.told(messages.PresenceWanted) == [
        messages.PresenceWanted("marketplace:shop", 7)
    ]
    browsers.receive(messages.SellerConnected(7))
    assert len(asked(browsers)) == 1


@pytest.mark.parametrize(
    "error", [NeedsUser("somebody else is logged in"), CallRejected("log in", status=401)]
)
def test_a_run_that_ends_with_trouble_of_the_account_closes_the_shop(
    browsers: MarketplaceBench, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(Stop, "error", error)
    browsers.receive(FOUND, messages.SellerConnected(7))
    browsers.claim(browsers.job(1, "stop"), waiting={2: timedelta(0)})
    asked(browsers)
    (record,) = browsers.told(messages.RecordClosure)
    closure = record.closure
    settlement = browsers.settlement()
    assert (str(closure.scope), closure.kind, closure.until) == ("shop 2", "needs_user", None)
    assert closure.reason == settlement.waiting_reason
    assert "`python run.py shops resume 2`" in closure.reason
    browsers.recorded(settlement)
    browsers.clock.advance(60 * SECOND)
    assert asked(browsers) == []
    browsers.receive(messages.ClosureRecorded(record), messages.ClosuresLoaded(()))
    assert len(asked(browsers)) == 1


def test_where_nobody_tells_of_sellers_a_job_looks_again_after_a_while(
    bench: MarketplaceBench,
) -> None:
    bench.claim(bench.job(1, "look"))
    (request,) = bench.told(messages.BrowserCommand)
    bench.fail(request, SellerNotConnected(7))
    settlement = bench.settlement()
    assert settlement.event is JobEvent.SNOOZE
    assert settlement.delay >= 10 * SECOND
