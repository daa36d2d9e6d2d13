"""BridgeActor: a command and its answer, what browsers say, and who is there."""

from collections import Counter
from datetime import timedelta

import pytest
import structlog.testing

from runtime import messages
from runtime.errors import (
    BrowserNotReady,
    CallFailed,
    CallRejected,
    CallTimeout,
    InvalidCall,
    NotSent,
    OutcomeUnknown,
    SellerNotConnected,
)
from runtime.messages import CallTicket
from runtime.runs.calls import Success
from tests.support.bridge.actor_harness import ASKER, Bridge, ok

SECOND = timedelta(seconds=1)


@pytest.fixture
def bridge() -> Bridge:
    return Bridge()


# --- a command and its answer ---------------------------------------------------------------


def test_a_command_and_its_answer(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.request(payload={"page": 3})
    assert bridge.server.emitted == [
        ("a", {"request_id": "r1", "action": "VINTED_SYNC", "payload": {"page": 3}})
    ]
    assert bridge.respond("a", ok(data={"items": [1]})) == {"status": "ok", "request_id": "r1"}
    assert bridge.told(ASKER)[-1] == messages.CallEnded(
        CallTicket(ASKER, 1, 1, 1), Success({"items": [1]})
    )


def test_two_tabs_get_one_command_and_the_newest_gets_it(bridge: Bridge) -> None:
    bridge.connect("old")
    bridge.connect("new")
    bridge.request()
    assert bridge.emitted == [("new", "r1")]


def test_any_tab_of_the_seller_may_answer(bridge: Bridge) -> None:
    bridge.connect("old")
    bridge.connect("new")
    bridge.request()
    assert bridge.respond("old", ok(data=1)) == {"status": "ok", "request_id": "r1"}
    assert bridge.outcomes == [1]


def test_a_request_seen_again_while_pending_is_not_sent_again(bridge: Bridge) -> None:
    bridge.connect("a", resume=True)
    bridge.request()
    bridge.request(repeated=True, ticket=CallTicket("marketplace:other", 2, 2, 2))
    assert bridge.emitted == [("a", "r1")]
    bridge.respond("a", ok())
    assert [message.ticket.job_id for message in bridge.told("marketplace:other")] == [2]


def test_a_request_seen_again_after_its_end_is_not_sent_again(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.request()
    bridge.respond("a", ok())
    bridge.request()
    assert bridge.emitted == [("a", "r1")]


def test_a_seller_who_is_away(bridge: Bridge) -> None:
    bridge.request()
    [error] = bridge.outcomes
    assert isinstance(error, SellerNotConnected)
    assert str(error) == "User 7 not connected via WebSocket"
    assert messages.SellerDisconnected(7) in bridge.told(ASKER)
    assert bridge.clock.next_due() is None


def test_a_payload_that_is_not_json_is_the_handlers_fault(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.request(payload={"when": SECOND})
    [error] = bridge.outcomes
    assert isinstance(error, InvalidCall)
    assert "VINTED_SYNC" in str(error)
    assert bridge.emitted == []


def test_a_write_does_not_leave_after_its_time(bridge: Bridge) -> None:
    bridge.connect("a")
    late = bridge.clock.now() + SECOND
    bridge.advance(1)
    bridge.request(writes=True, not_after=late)
    [error] = bridge.outcomes
    assert isinstance(error, NotSent)
    assert bridge.emitted == []


def test_a_write_tells_the_browser_until_when_it_may_be_begun(bridge: Bridge) -> None:
    bridge.connect("a")
    until = bridge.clock.now() + SECOND
    bridge.request(writes=True, not_after=until)
    [(_, command)] = bridge.server.emitted
    assert command["not_after"] == until.timestamp() * 1_000


def test_after_its_time_a_write_is_not_sent_again(bridge: Bridge) -> None:
    bridge.connect("a", resume=True)
    bridge.request(writes=True, not_after=bridge.clock.now() + SECOND)
    bridge.disconnect("a")
    bridge.advance(2)
    bridge.connect("b", resume=True)
    assert len(bridge.server.emitted) == 1
    assert bridge.respond("b", ok()) == {"status": "ok", "request_id": "r1"}


def test_timeout(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.request(writes=True)
    bridge.advance(299)
    assert bridge.outcomes == []
    bridge.advance(1)
    [error] = bridge.outcomes
    assert isinstance(error, CallTimeout)
    assert str(error) == "Plugin command timeout after 300s"
    assert error.writes


def test_a_fractional_timeout_is_told_as_it_is(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.request(timeout=timedelta(seconds=0.5))
    bridge.advance(1)
    assert str(bridge.outcomes[0]) == "Plugin command timeout after 0.5s"


def test_an_earlier_incarnations_deadline_does_not_count(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.request()
    bridge.actor.receive(messages.BrowserDeadline("r1"))
    bridge.actor.receive(messages.GraceOver(7))
    assert bridge.outcomes == []


def test_a_withdrawn_request_is_forgotten(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.request()
    bridge.actor.receive(messages.BrowserCommandWithdrawn("r1"))
    bridge.actor.receive(messages.BrowserCommandWithdrawn("r1"))
    assert bridge.respond("a", ok()) == {"status": "unknown", "request_id": "r1"}
    bridge.advance(1_000)
    assert bridge.outcomes == []


# --- what browsers say ----------------------------------------------------------------------


def test_a_rejection_carries_status_and_code(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.request(writes=True)
    bridge.respond(
        "a",
        {"request_id": "r1", "success": False, "error": "no", "error_code": "x", "status": 403},
    )
    [error] = bridge.outcomes
    assert type(error) is CallRejected
    assert (str(error), error.status, error.error_code, error.writes) == ("no", 403, "x", True)


@pytest.mark.parametrize("code", ["plugin_missing", "memory_failed", "too_late"])
@pytest.mark.parametrize(("status", "kind"), [(None, BrowserNotReady), (502, OutcomeUnknown)])
def test_a_page_that_could_not_begin_did_nothing(
    bridge: Bridge, code: str, status: int | None, kind: type[Exception]
) -> None:
    bridge.connect("a")
    bridge.request(writes=True)
    answer = {"request_id": "r1", "success": False, "error_code": code, "status": status}
    bridge.respond("a", answer)
    [error] = bridge.outcomes
    assert type(error) is kind


@pytest.mark.parametrize("key", ["error_code", "errorCode"])
def test_outcome_unknown(bridge: Bridge, key: str) -> None:
    bridge.connect("a")
    bridge.request(writes=True)
    bridge.respond("a", {"request_id": "r1", "success": False, key: "outcome_unknown"})
    [error] = bridge.outcomes
    assert type(error) is OutcomeUnknown
    assert error.writes
    assert error.error_code == "outcome_unknown"


@pytest.mark.parametrize(("writes", "kind"), [(True, OutcomeUnknown), (False, CallRejected)])
def test_after_a_failure_of_the_marketplace_a_write_may_have_happened(
    bridge: Bridge, writes: bool, kind: type[Exception]
) -> None:
    bridge.connect("a")
    bridge.request(writes=writes)
    bridge.respond("a", {"request_id": "r1", "success": False, "error": "oops", "status": 502})
    [error] = bridge.outcomes
    assert isinstance(error, CallFailed)
    assert type(error) is kind
    assert error.status == 502


@pytest.mark.parametrize(("writes", "kind"), [(True, OutcomeUnknown), (False, CallRejected)])
def test_of_a_write_that_failed_for_no_told_reason_the_outcome_is_unknown(
    bridge: Bridge, writes: bool, kind: type[Exception]
) -> None:
    bridge.connect("a")
    bridge.request(writes=writes)
    bridge.respond("a", {"request_id": "r1", "success": False, "error": "Failed to fetch"})
    [error] = bridge.outcomes
    assert (type(error), str(error)) == (kind, "Failed to fetch")


@pytest.mark.parametrize("status", [True, "403", 403.0, -1, 99, 600, 10**30, None, [403]])
def test_a_status_that_is_none_is_left_out(bridge: Bridge, status: object) -> None:
    bridge.connect("a")
    bridge.request()
    bridge.respond("a", {"request_id": "r1", "success": False, "status": status})
    assert bridge.outcomes[0].status is None


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("x" * 9_000, "x" * 2_000),
        (None, "the browser plugin gave no reason"),
        ({"message": "é"}, '{"message": "é"}'),
        ("a\0b\ud800c", "a\\0b?c"),
    ],
)
def test_an_error_text_is_cut_and_storable(bridge: Bridge, error: object, text: str) -> None:
    bridge.connect("a")
    bridge.request()
    bridge.respond("a", {"request_id": "r1", "success": False, "error": error, "error_code": 5})
    assert str(bridge.outcomes[0]) == text
    assert bridge.outcomes[0].error_code is None


@pytest.mark.parametrize(
    ("data", "repaired"),
    [("a\0b", "a\ufffdb"), ({"title": ["\ud800"]}, {"title": ["?"]})],
)
def test_a_broken_character_does_not_cost_the_answer(
    bridge: Bridge, data: object, repaired: object
) -> None:
    bridge.connect("a")
    bridge.request()
    bridge.respond("a", ok(data=data))
    assert bridge.outcomes == [repaired]


@pytest.mark.parametrize("data", [{"x": float("nan")}, b"x"])
def test_an_answer_that_cannot_be_stored_is_unreadable(bridge: Bridge, data: object) -> None:
    bridge.connect("a")
    bridge.request(writes=True)
    assert bridge.respond("a", ok(data=data)) == {"status": "ok", "request_id": "r1"}
    [error] = bridge.outcomes
    assert type(error) is OutcomeUnknown
    assert "the browser's answer" in str(error)


@pytest.mark.parametrize(
    ("data", "request_id"),
    [
        (None, None),
        ("r1", None),
        ([], None),
        ({}, None),
        ({"success": True}, None),
        ({"request_id": 1, "success": True}, None),
        ({"request_id": "", "success": True}, None),
        ({"request_id": "x" * 201, "success": True}, None),
        ({"request_id": ["r1"], "success": True}, None),
        ({"request_id": "r1"}, "r1"),
        ({"request_id": "r1", "success": "true"}, "r1"),
        ({"request_id": "r1", "success": 1}, "r1"),
    ],
)
def test_malformed_responses_are_refused(
    bridge: Bridge, data: object, request_id: str | None
) -> None:
    bridge.connect("a")
    bridge.request()
    assert bridge.respond("a", data) == {"status": "refused", "request_id": request_id}
    assert bridge.outcomes == []
    assert bridge.actor.counters["malformed"] == 1
    assert bridge.respond("a", ok()) == {"status": "ok", "request_id": "r1"}


@pytest.mark.parametrize("data", [None, ok("never-asked")])
def test_a_flood_of_dropped_answers_is_summed_up_for_each_seller(
    bridge: Bridge, data: object
) -> None:
    bridge.connect("a")
    bridge.connect("b", user_id=8)
    with structlog.testing.capture_logs() as log:
        for _ in range(1_000):
            assert bridge.respond("a", data)
            assert bridge.respond("b", data)
        assert [line["user_id"] for line in log] == [7, 8]
        bridge.advance(60)
        assert [(line["user_id"], line["repeated"]) for line in log[2:]] == [(7, 999), (8, 999)]
        bridge.advance(600)
    assert len(log) == 4


def test_a_foreign_answer_is_refused(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.connect("b", user_id=8)
    bridge.request()
    refused = {"status": "refused", "request_id": "r1"}
    assert bridge.respond("b", ok(data="stolen")) == refused
    assert bridge.respond("never-seen", ok(data="stolen")) == refused
    assert bridge.outcomes == []
    assert bridge.actor.counters["foreign"] == 2
    bridge.respond("a", ok(data="mine"))
    assert bridge.outcomes == ["mine"]


def test_unknown_late_and_duplicate_answers_are_counted(bridge: Bridge) -> None:
    bridge.connect("a")
    assert bridge.respond("a", ok("r0")) == {"status": "unknown", "request_id": "r0"}
    bridge.request("r1")
    bridge.respond("a", ok("r1", 1))
    assert bridge.respond("a", ok("r1", 2)) == {"status": "unknown", "request_id": "r1"}
    bridge.request("r2")
    bridge.advance(300)
    assert bridge.respond("a", ok("r2")) == {"status": "unknown", "request_id": "r2"}
    assert bridge.actor.counters == Counter(unknown=1, duplicate=1, late=1, sent=2, answered=1)
    assert len(bridge.outcomes) == 2


# --- presence -------------------------------------------------------------------------------


def test_presence_is_told_with_the_first_and_the_last_socket(bridge: Bridge) -> None:
    for number in range(18):
        bridge.connect(f"s{number}")
    for number in range(18):
        bridge.disconnect(f"s{number}")
    assert bridge.told(ASKER) == [messages.SellerConnected(7), messages.SellerDisconnected(7)]
    assert bridge.told(messages.RECORDER) == [
        messages.RecordPresence(7, True),
        messages.RecordPresence(7, False),
    ]


def test_presence_on_demand(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.connect("b", user_id=8)
    bridge.connect("c", user_id=9)
    bridge.disconnect("b")
    bridge.actor.receive(messages.PresenceWanted("marketplace:new"))
    assert bridge.told("marketplace:new") == [
        messages.SellerConnected(7),
        messages.SellerConnected(9),
    ]


def test_who_asks_for_one_seller_is_told_of_no_other(bridge: Bridge) -> None:
    for user_id in range(100):
        bridge.connect(f"s{user_id}", user_id=user_id)
    bridge.actor.receive(messages.PresenceWanted("marketplace:new", 42))
    bridge.actor.receive(messages.PresenceWanted("marketplace:new", 1_000))
    assert bridge.told("marketplace:new") == [messages.SellerConnected(42)]


def test_a_recorder_that_forgot_is_told_who_is_there(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.directory.told.clear()
    bridge.actor.receive(messages.ActorRestarted(messages.HTTP))
    bridge.actor.receive(messages.ActorRestarted(messages.RECORDER))
    assert bridge.directory.told == [(messages.RECORDER, messages.RecordPresence(7, True))]


def test_events_of_unknown_and_known_sockets_repeat_without_harm(bridge: Bridge) -> None:
    bridge.disconnect("never-seen")
    bridge.connect("a")
    bridge.connect("a")
    bridge.disconnect("a")
    bridge.disconnect("a")
    bridge.actor.receive(messages.SocketExpired("a"))
    assert len(bridge.told(ASKER)) == 2


def test_an_answer_leaves_no_timers_behind(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.request()
    bridge.respond("a", ok())
    bridge.disconnect("a")
    assert bridge.clock.next_due() is None


def test_flapping_leaves_no_timers_behind(bridge: Bridge) -> None:
    for number in range(18):
        bridge.connect(f"s{number}")
        bridge.disconnect(f"s{number}")
    assert bridge.clock.next_due() is None


def test_a_socket_is_closed_when_its_token_ends(bridge: Bridge) -> None:
    bridge.connect("short", lifetime=timedelta(hours=1))
    bridge.connect("long", lifetime=timedelta(hours=5))
    bridge.advance(3_599)
    assert bridge.server.disconnected == []
    bridge.advance(1)
    assert bridge.server.disconnected == ["short"]
    bridge.disconnect("short")
    bridge.advance(4 * 3_600)
    assert bridge.server.disconnected == ["short", "long"]
