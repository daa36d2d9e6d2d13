"""The client against the running bridge, under Node with the official socket.io-client."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from actors.bridge import BridgeActor
from runtime.bridge import socketio_server
from runtime.errors import BrowserNotReady, CallRejected, OutcomeUnknown
from runtime.runs.calls import Failure, Success
from tests.browser.node_page import NodePage
from tests.support.bridge.stack import Stack, running, token
from tests.support.deadline import wait_until
from tests.support.processes.commands import on_database

PUBLISH: dict[str, Any] = {
    "action": "VINTED_PUBLISH",
    "payload": {"product": {"sku": "a"}},
    "writes": True,
}


@pytest.fixture
def stack() -> Iterator[Stack]:
    with running() as stack:
        yield stack


def cut(stack: Stack) -> None:
    """Close every connection, as a network would."""
    for sid in list(stack.server._live):
        stack.server.disconnect(sid)


def failure(stack: Stack) -> BaseException:
    outcome = stack.outcome()
    assert isinstance(outcome, Failure)
    return outcome.error


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_command_is_executed_and_answered(dist: Path, stack: Stack, transport: str) -> None:
    with NodePage(dist, stack.url, token=token(7), transports=[transport]) as page:
        page.connected()
        stack.request("r1", **PUBLISH)
        asked = page.hear("execute")
        assert (asked["action"], asked["payload"]) == (PUBLISH["action"], PUBLISH["payload"])
        page.tell("execute", {"success": True, "data": {"item": {"id": 5}}})
        assert stack.outcome() == Success({"item": {"id": 5}})
        page.hear("acknowledged", request_id="r1", status="ok")


def test_what_the_plugin_says_of_a_failure_arrives_whole(dist: Path, stack: Stack) -> None:
    with NodePage(dist, stack.url, token=token(7)) as page:
        page.connected()
        stack.request("r1", **PUBLISH)
        page.hear("execute")
        page.tell(
            "execute", {"success": False, "error": "no", "errorCode": "captcha", "status": 403}
        )
        error = failure(stack)
        assert isinstance(error, CallRejected)
        assert (str(error), error.error_code, error.status) == ("no", "captcha", 403)


@pytest.mark.parametrize(
    ("order", "value", "words"),
    [
        ("throw", "the port was closed", "VINTED_PUBLISH threw the port was closed"),
        ("execute", None, "VINTED_PUBLISH was executed, but returned null"),
        ("execute", {"success": "yes"}, 'returned {"success":"yes"}'),
    ],
)
def test_of_what_went_wrong_in_the_page_the_outcome_is_unknown(
    dist: Path, stack: Stack, order: str, value: object, words: str
) -> None:
    with NodePage(dist, stack.url, token=token(7)) as page:
        page.connected()
        stack.request("r1", **PUBLISH)
        page.hear("execute")
        page.tell(order, value)
        error = failure(stack)
        assert isinstance(error, OutcomeUnknown)
        assert words in str(error)


def test_a_command_goes_on_over_a_lost_connection(dist: Path, stack: Stack) -> None:
    with NodePage(dist, stack.url, token=token(7)) as page:
        page.connected()
        stack.request("r1", **PUBLISH)
        page.hear("execute")
        cut(stack)
        page.hear("state", state="disconnected")
        page.connected()
        page.hear("repeated", request_id="r1", from_memory=False)
        page.tell("execute", {"success": True, "data": 5})
        assert stack.outcome() == Success(5)
        page.hear("acknowledged", request_id="r1", status="ok")
        assert len(page.said("execute")) == 1


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_page_that_was_frozen_begins_nothing_that_was_given_up_meanwhile(
    dist: Path, stack: Stack, transport: str
) -> None:
    with NodePage(dist, stack.url, token=token(7), transports=[transport]) as page:
        page.connected()
        page.send_signal(signal.SIGSTOP)
        not_after = datetime.now(UTC) + timedelta(seconds=1)
        stack.request("r1", **PUBLISH, not_after=not_after)
        wait_until(lambda: datetime.now(UTC) >= not_after)
        page.send_signal(signal.SIGCONT)
        error = failure(stack)
        assert isinstance(error, BrowserNotReady)
        assert "VINTED_PUBLISH was not executed: its time was over" in str(error)
        assert not page.said("execute")


def test_a_page_that_was_not_frozen_has_time_enough(dist: Path, stack: Stack) -> None:
    with NodePage(dist, stack.url, token=token(7)) as page:
        page.connected()
        stack.request("r1", **PUBLISH, not_after=datetime.now(UTC) + timedelta(seconds=15))
        page.hear("execute")
        page.tell("execute", {"success": True})
        assert stack.outcome() == Success(None)


def test_an_answer_is_brought_by_the_next_connection_without_being_asked_for(
    dist: Path, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with NodePage(dist, stack.url, token=token(7)) as page:
        page.connected()
        stack.request("r1", **PUBLISH)
        page.hear("execute")
        # Its time has passed: it is not sent again.
        monkeypatch.setattr(BridgeActor, "_may_leave", lambda *_: False)
        cut(stack)
        page.hear("state", state="disconnected")
        page.tell("execute", {"success": True, "data": 5})
        assert stack.outcome() == Success(5)
        assert not page.said("repeated")


def test_an_answer_that_was_not_taken_is_sent_again(
    dist: Path, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socketio_server, "ACKNOWLEDGE_SECONDS", 0.1)
    with NodePage(dist, stack.url, token=token(7)) as page:
        page.connected()
        stack.request("r1", **PUBLISH)
        page.hear("execute")
        stack.bridge.stop(timeout=60)
        page.tell("execute", {"success": True, "data": 5})
        page.hear("state", state="disconnected")
        stack.start_bridge()
        stack.request("r1", **PUBLISH, repeated=True)
        assert stack.outcome() == Success(5)
        page.hear("acknowledged", request_id="r1", status="ok")
        assert len(page.said("execute")) == 1


def test_an_answered_command_is_answered_again_from_memory(dist: Path, stack: Stack) -> None:
    with NodePage(dist, stack.url, token=token(7)) as page:
        page.connected()
        stack.request("r1", **PUBLISH)
        page.hear("execute")
        page.tell("execute", {"success": True, "data": 5})
        assert stack.outcome() == Success(5)
        page.hear("acknowledged")
        stack.bridge.stop(timeout=60)
        stack.start_bridge()
        stack.request("r1", **PUBLISH, repeated=True)
        assert stack.outcome() == Success(5)
        page.hear("repeated", request_id="r1", from_memory=True)
        assert len(page.said("execute")) == 1


def test_a_write_that_may_have_gone_elsewhere_is_not_executed(dist: Path, stack: Stack) -> None:
    with NodePage(dist, stack.url, token=token(7)) as page:
        page.connected()
        stack.request("r1", **PUBLISH, repeated=True)
        assert isinstance(failure(stack), OutcomeUnknown)
        stack.request("r2", action="VINTED_SYNC", repeated=True)
        page.hear("execute", action="VINTED_SYNC")
        assert not page.said("execute", action="VINTED_PUBLISH")


def test_an_answer_too_large_for_the_bridge_costs_no_connection(dist: Path, stack: Stack) -> None:
    with NodePage(dist, stack.url, token=token(7)) as page:
        page.connected()
        stack.request("r1", **PUBLISH)
        page.hear("execute")
        page.tell("execute", {"success": True, "data": "x" * 100_000})
        error = failure(stack)
        assert isinstance(error, OutcomeUnknown)
        assert "the bridge takes 100000" in str(error)
        page.hear("acknowledged")
        assert not page.said("state", state="disconnected")


def test_a_refused_token_waits_for_another(dist: Path, stack: Stack) -> None:
    with NodePage(dist, stack.url, token=token(7, timedelta(seconds=-5))) as page:
        refused = page.hear("state", state="refused")
        assert refused["detail"] == "the token has expired: get a new one and connect again"
        page.tell("useToken", token(7))
        page.connected()
        assert len(page.said("state", state="connecting")) == 2


def test_a_source_of_tokens_is_asked_again_and_told_why(dist: Path, stack: Stack) -> None:
    with NodePage(dist, stack.url) as page:
        assert page.hear("token")["refused"] is None
        old = token(7, timedelta(seconds=-5))
        page.tell("token", old)
        page.hear("state", state="refused")
        assert "expired" in page.hear("token")["refused"]
        page.tell("token", old)
        page.hear("token")
        page.tell("token", token(7))
        page.connected()
        assert len(page.said("state", state="connecting")) == 2


def test_an_expired_token_is_replaced_by_a_fresh_one(dist: Path, stack: Stack) -> None:
    with NodePage(dist, stack.url) as page:
        page.hear("token")
        page.tell("token", token(7, timedelta(seconds=1.5)))
        page.connected()
        page.hear("state", state="disconnected")
        assert page.hear("token")["refused"] is None
        page.tell("token", token(7))
        page.connected()


def test_a_closed_page_finishes_what_it_began(dist: Path, stack: Stack) -> None:
    with NodePage(dist, stack.url, token=token(7)) as page:
        page.connected()
        stack.request("r1", **PUBLISH)
        page.hear("execute")
        page.tell("close")
        wait_until(lambda: not stack.server._live)
        assert not page.said("left")
        page.tell("execute", {"success": True})
        page.hear("state", state="closed")
        page.hear("left")


def test_a_sync_over_a_restart_of_the_service(
    dist: Path, tmp_path: Path, database_url: URL
) -> None:
    installation = on_database(tmp_path, database_url)
    shop = installation.json("shops", "add", "vinted", "--user", "7", "--external-id", "123")
    fresh = installation.run("token", "--user", "7").stdout.strip()
    with NodePage(dist, installation.url, token=fresh) as page:
        with installation.serving():
            page.connected()
        page.hear("state", state="disconnected")
        with installation.serving():
            page.connected()
            job = installation.json("jobs", "create", "vinted", "sync", "--shop", str(shop["id"]))
            for number in (1, 2):
                assert page.hear("execute")["payload"]["page"] == number
                items = [{"id": number, "title": f"Item {number}"}]
                pagination = {"current_page": number, "total_pages": 2}
                page.tell(
                    "execute", {"success": True, "data": {"items": items, "pagination": pagination}}
                )
            ended = wait_until(
                lambda: (
                    (now := installation.json("jobs", "show", str(job["id"])))["completed_at"]
                    and now
                ),
                30,
            )
    assert (ended["status"], ended["result"]["imported"]) == ("completed", 2)
