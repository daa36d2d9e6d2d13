"""What one connection may do: how much it sends, how long it takes, and when it is closed."""

import socket
from collections.abc import Iterator
from datetime import timedelta

import pytest
import structlog.testing

from runtime import messages
from runtime.bridge import client_connections, socketio_server
from tests.hostile.attackers import OPEN, connected, frame, post, session_on, upgraded
from tests.support.bridge.stack import Stack, running, token
from tests.support.deadline import wait_until

CLOCK = b'42["bridge_clock"]'


@pytest.fixture
def stack() -> Iterator[Stack]:
    with running() as stack:
        yield stack


def is_cut(one: socket.socket, sends: bytes) -> bool:
    """Whether the bridge has ended the connection, although its client goes on to send."""
    try:
        one.sendall(sends)
        one.settimeout(0.05)
        while one.recv(65_536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def joined(
    stack: Stack, user_id: int = 7, lifetime: timedelta = timedelta(hours=1)
) -> socket.socket:
    one = upgraded(stack.server.port)
    one.sendall(frame(b'40{"token":"' + token(user_id, lifetime).encode() + b'"}'))
    while b'40{"sid"' not in one.recv(65_536):
        pass
    return one


def test_a_stranger_who_goes_on_sending_is_cut_off(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socketio_server, "STRANGER_SECONDS", 0.2)
    with upgraded(stack.server.port) as stranger:
        wait_until(lambda: is_cut(stranger, frame(b"6")))


def test_a_seller_whose_token_expires_is_cut_off_whatever_is_sent(stack: Stack) -> None:
    with joined(stack, lifetime=timedelta(seconds=2)) as seller:
        wait_until(lambda: is_cut(seller, frame(CLOCK)))


def test_a_stranger_may_show_one_token(stack: Stack) -> None:
    with upgraded(stack.server.port) as stranger:
        stranger.sendall(frame(b'40{"token":"wrong"}'))
        said = b""
        while b"44{" not in said:
            said += stranger.recv(65_536)
        stranger.sendall(frame(b'40{"token":"' + token(7).encode() + b'"}'))
        wait_until(lambda: is_cut(stranger, frame(b"6")))
    assert not stack.server._live


def test_a_stranger_may_send_nothing_before_the_token(stack: Stack) -> None:
    with upgraded(stack.server.port) as stranger:
        stranger.sendall(frame(CLOCK))
        wait_until(lambda: is_cut(stranger, frame(b"6")))


def test_a_strangers_packet_is_small(stack: Stack) -> None:
    with upgraded(stack.server.port) as stranger:
        stranger.sendall(frame(b"4" + b"[" * 20_000))
        wait_until(lambda: is_cut(stranger, frame(b"6")))


def test_who_does_not_fetch_is_closed(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socketio_server, "MOST_UNREAD", 20)
    with connected(stack.server.port) as one:
        session = session_on(one)
        one.sendall(post(session, b'40{"token":"' + token(7).encode() + b'"}'))
        stack.asker.next(messages.SellerConnected)
        asks = b"\x1e".join([b'421["bridge_clock"]'] * 100)
        one.sendall(post(session, asks))
        assert stack.asker.next(messages.SellerDisconnected) == messages.SellerDisconnected(7)


def test_a_body_that_is_only_announced_ends_with_its_session(stack: Stack) -> None:
    with connected(stack.server.port) as one, connected(stack.server.port) as other:
        session = session_on(one)
        one.sendall(post(session, b'40{"token":"' + token(7).encode() + b'"}'))
        stack.asker.next(messages.SellerConnected)
        other.sendall(post(session, b"4", announced=90_000))
        wait_until(lambda: session.decode() in stack.server._posting)
        stack.server.disconnect(next(iter(stack.server._live)))
        wait_until(lambda: is_cut(other, b"x"))


def test_a_session_sends_one_request_after_the_other(stack: Stack) -> None:
    with connected(stack.server.port) as one, connected(stack.server.port) as other:
        session = session_on(one)
        one.sendall(post(session, b"4", announced=9_000))
        wait_until(lambda: session.decode() in stack.server._posting)
        other.sendall(post(session, b'40{"token":"x"}'))
        assert other.recv(65_536).startswith(b"HTTP/1.1 400")


def test_half_a_header_has_a_deadline(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_connections, "HEADER_SECONDS", 0.3)
    with connected(stack.server.port) as one:
        one.sendall(b"GET / HTTP/1.1\r\n")
        # A byte now and then does not prolong it.
        wait_until(lambda: is_cut(one, b"X"))


def test_an_idle_connection_may_ask_again_later(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_connections, "HEADER_SECONDS", 0.3)
    with connected(stack.server.port) as one:
        session_on(one)
        one.settimeout(0.6)
        with pytest.raises(TimeoutError):
            one.recv(1)
        one.settimeout(60)
        one.sendall(OPEN)
        assert one.recv(65_536).startswith(b"HTTP/1.1 200")


def test_requests_that_nobody_can_read_are_told_of_once() -> None:
    with structlog.testing.capture_logs() as log, running() as stack:
        for _ in range(20):
            with connected(stack.server.port) as one:
                one.sendall(b"GET / HT\r\n\r\n")
                while one.recv(65_536):
                    pass
    assert len([line for line in log if line["event"] == "unreadable HTTP request"]) == 1


def test_places_are_kept_for_sellers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socketio_server, "connection_limit", lambda: 10)
    with running() as stack:
        strangers = [connected(stack.server.port) for _ in range(12)]
        for one in strangers:
            one.sendall(b"GET /")
        with joined(stack, 8), joined(stack, 9):
            wait_until(lambda: is_cut(strangers[0], b"X"))
            assert stack.asker.next(messages.SellerConnected) == messages.SellerConnected(8)
            assert stack.asker.next(messages.SellerConnected) == messages.SellerConnected(9)
        for one in strangers:
            one.close()


def test_the_oldest_of_too_many_connections_of_a_seller_is_closed(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socketio_server, "MOST_SOCKETS", 2)
    first = joined(stack)
    with joined(stack), joined(stack):
        wait_until(lambda: is_cut(first, frame(b"3")))
        wait_until(lambda: len(stack.server._live) == 2)
    first.close()
