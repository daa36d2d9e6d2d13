"""The bridge with real sockets: commands, answers, reconnects and a restart."""

import itertools
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from runtime import messages
from runtime.bridge import socketio_server
from runtime.errors import CallFailed, ConnectionLost, SellerNotConnected
from runtime.runs.calls import Failure, Success
from tests.support.bridge.stack import PATIENCE, Stack, ok, running, token
from tests.support.deadline import wait_until

TRANSPORTS = ["websocket", "polling"]


@pytest.fixture
def stack() -> Iterator[Stack]:
    with running() as stack:
        yield stack


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_command_and_its_answer(stack: Stack, transport: str) -> None:
    browser = stack.browser(transport=transport)
    assert stack.asker.next(messages.SellerConnected) == messages.SellerConnected(7)
    stack.request()
    assert browser.command() == {
        "request_id": "r1",
        "action": "VINTED_SYNC",
        "payload": {"page": 1},
    }
    assert browser.respond(ok(data={"items": [1]})) == {"status": "ok", "request_id": "r1"}
    assert stack.outcome() == Success({"items": [1]})
    browser.close()
    assert stack.asker.next(messages.SellerDisconnected) == messages.SellerDisconnected(7)
    assert stack.recorder.next(messages.RecordPresence) == messages.RecordPresence(7, True)
    assert stack.recorder.next(messages.RecordPresence) == messages.RecordPresence(7, False)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_two_tabs_get_one_command(stack: Stack, transport: str) -> None:
    first, second = stack.browser(transport=transport), stack.browser(transport=transport)
    stack.request()
    assert second.command()["request_id"] == "r1"
    assert second.respond(ok()) == {"status": "ok", "request_id": "r1"}
    stack.request("r2")
    assert second.command()["request_id"] == "r2"
    assert first.commands.empty()


def test_a_page_that_is_closed_while_it_connects_again_stays_closed(stack: Stack) -> None:
    browser = stack.browser()
    client = browser.client
    connects, may_connect = threading.Event(), threading.Event()
    connect = client.eio.handlers["connect"]

    def connect_when_told() -> None:
        connects.set()
        assert may_connect.wait(PATIENCE)
        connect()

    client.eio.on("connect", connect_when_told)
    client.eio.ws.sock.shutdown(socket.SHUT_RDWR)
    assert connects.wait(PATIENCE)
    closer = threading.Thread(target=browser.close)
    closer.start()
    wait_until(client._reconnect_abort.is_set)
    may_connect.set()
    closer.join(PATIENCE)
    assert not closer.is_alive()

    numbers = itertools.count()

    def is_gone() -> bool:
        stack.request(f"r{next(numbers)}", timeout=timedelta(seconds=0.2))
        outcome = stack.outcome()
        return isinstance(outcome, Failure) and isinstance(outcome.error, SellerNotConnected)

    wait_until(is_gone)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_foreign_answer_is_refused(stack: Stack, transport: str) -> None:
    mine, foreign = stack.browser(7, transport), stack.browser(8, transport)
    stack.request()
    mine.command()
    assert foreign.respond(ok(data="stolen")) == {"status": "refused", "request_id": "r1"}
    assert mine.respond(ok(data="mine")) == {"status": "ok", "request_id": "r1"}
    assert stack.outcome() == Success("mine")


def test_late_duplicate_unknown_and_malformed_answers(stack: Stack) -> None:
    browser = stack.browser()
    assert browser.respond(ok("r0")) == {"status": "unknown", "request_id": "r0"}
    nonsense: Any
    for nonsense in (None, "r1", [], {"success": True}):
        assert browser.respond(nonsense) == {"status": "refused", "request_id": None}
    assert browser.respond({"request_id": "r1"}) == {"status": "refused", "request_id": "r1"}
    stack.request("late", timeout=timedelta(milliseconds=20))
    assert isinstance(stack.outcome(), Failure)
    assert browser.respond(ok("late")) == {"status": "unknown", "request_id": "late"}
    stack.request()
    assert browser.respond(ok(data=1)) == {"status": "ok", "request_id": "r1"}
    assert browser.respond(ok(data=2)) == {"status": "unknown", "request_id": "r1"}
    assert stack.outcome() == Success(1)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_reconnect_with_resume_gets_the_command_again(stack: Stack, transport: str) -> None:
    before = stack.browser(transport=transport, resume=True, client_id="laptop")
    stack.request(writes=True)
    command = before.command()
    before.cut()
    stack.asker.next(messages.SellerDisconnected)
    after = stack.browser(transport=transport, resume=True, client_id="laptop")
    assert after.command() == command
    assert after.respond(ok(data=1)) == {"status": "ok", "request_id": "r1"}
    assert stack.outcome() == Success(1)


@pytest.mark.parametrize("declared", [{}, {"resume": True, "client_id": "desktop"}])
def test_another_reconnect_gets_it_not_but_may_answer(
    stack: Stack, declared: dict[str, Any]
) -> None:
    before = stack.browser(resume=bool(declared), client_id="laptop")
    stack.request(writes=True)
    before.command()
    before.cut()
    stack.asker.next(messages.SellerDisconnected)
    after = stack.browser(**declared)
    stack.request("r2")
    assert after.command()["request_id"] == "r2"
    assert after.respond(ok(data=1)) == {"status": "ok", "request_id": "r1"}
    assert stack.outcome() == Success(1)


@pytest.mark.parametrize(("writes", "kind"), [(False, SellerNotConnected), (True, ConnectionLost)])
def test_nobody_comes_back(writes: bool, kind: type[CallFailed]) -> None:
    with running(grace=timedelta(milliseconds=50)) as stack:
        browser = stack.browser()
        stack.request(writes=writes)
        browser.command()
        browser.cut()
        outcome = stack.outcome()
        assert type(outcome.error) is kind
        assert outcome.error.writes is writes


def test_a_socket_is_closed_when_its_token_ends(stack: Stack) -> None:
    browser = stack.stranger()
    browser.connect({"token": token(7, timedelta(seconds=2))})
    stack.asker.next(messages.SellerConnected)
    assert browser.disconnected.acquire(timeout=60)
    assert stack.asker.next(messages.SellerDisconnected) == messages.SellerDisconnected(7)
    assert browser.refusals.get(timeout=60)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_closed_connection_is_opened_again_by_its_client(stack: Stack, transport: str) -> None:
    browser = stack.browser(transport=transport)
    stack.server.disconnect(browser.client.get_sid())
    assert browser.disconnected.acquire(timeout=60)
    assert browser.connected.acquire(timeout=60)


def test_the_bridge_is_restarted_while_a_request_is_pending(stack: Stack) -> None:
    browser = stack.browser(resume=True)
    stack.request(writes=True)
    browser.command()
    stack.bridge.stop(timeout=60)
    stack.start_bridge()
    stack.request(writes=True, repeated=True)
    assert browser.command()["request_id"] == "r1"
    assert browser.respond(ok(data=1)) == {"status": "ok", "request_id": "r1"}
    assert stack.outcome() == Success(1)


def test_an_answer_to_a_bridge_that_is_away_is_given_again(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socketio_server, "ACKNOWLEDGE_SECONDS", 0.1)
    browser = stack.browser()
    stack.request(writes=True)
    browser.command()
    stack.bridge.stop(timeout=60)
    browser.client.emit("plugin_response", ok(data=1))
    assert browser.disconnected.acquire(timeout=60)
    stack.start_bridge()
    assert browser.connected.acquire(timeout=60)
    stack.request(writes=True, repeated=True)
    assert browser.respond(ok(data=1)) == {"status": "ok", "request_id": "r1"}
    assert browser.commands.empty()


def test_a_thousand_commands(stack: Stack) -> None:
    browsers = {user_id: stack.browser(user_id) for user_id in range(1, 11)}
    for browser in browsers.values():
        browser.client.on(
            "plugin_command",
            lambda command, client=browser.client: client.emit(
                "plugin_response", ok(command["request_id"], command["request_id"])
            ),
        )
    for number in range(1_000):
        stack.request(f"r{number}", 1 + number % 10)
    values = {stack.outcome().unwrap() for _ in range(1_000)}
    assert values == {f"r{number}" for number in range(1_000)}


def test_a_large_answer(stack: Stack) -> None:
    browser = stack.browser()
    stack.request()
    browser.command()
    text = "é" * 10_000
    assert browser.respond(ok(data=text)) == {"status": "ok", "request_id": "r1"}
    assert stack.outcome() == Success(text)


def test_stop_ends_the_thread_and_the_connections(stack: Stack) -> None:
    browsers = [stack.browser(transport=transport) for transport in TRANSPORTS]
    stack.stranger()
    stack.server.stop()
    assert not [one for one in threading.enumerate() if one.name == "socketio"]
    for browser in browsers:
        assert browser.disconnected.acquire(timeout=60)
    stack.server.stop()
    stack.server.emit("nobody", "plugin_command", {}, lambda: True)


def test_presence_survives_flapping(stack: Stack) -> None:
    for _ in range(18):
        browser = stack.browser()
        stack.asker.next(messages.SellerConnected)
        browser.close()
        stack.asker.next(messages.SellerDisconnected)
    wait_until(lambda: not stack.server._live)
