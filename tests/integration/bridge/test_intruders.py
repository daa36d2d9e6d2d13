"""The bridge refuses clients and messages that do not belong there, and serves all others."""

import contextlib
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import requests
import socketio.exceptions
import structlog.testing
import websocket

from runtime import messages
from runtime.bridge import socketio_server
from runtime.bridge.seller_tokens import verify_token
from runtime.bridge.socketio_server import SocketIOServer
from runtime.errors import ConfigurationError, OutcomeUnknown, PortInUse
from tests.support.bridge.stack import ALGORITHM, SECRET, Stack, ok, running, token

OURS = "https://app.example"
HANDSHAKE = "/socket.io/?EIO=4&transport=polling"
UPGRADE = "/socket.io/?EIO=4&transport=websocket"
Log = list[Any]


@pytest.fixture
def log() -> Iterator[Log]:
    with structlog.testing.capture_logs() as entries:
        yield entries


@pytest.fixture
def stack(log: Log) -> Iterator[Stack]:
    with running(OURS) as stack:
        yield stack


def lines(log: Log, event: str) -> Log:
    return [entry for entry in log if event in entry["event"]]


def still_serves(stack: Stack, user_id: int = 99) -> bool:
    browser = stack.browser(user_id)
    stack.request("alive", user_id)
    browser.command()
    served: bool = browser.respond(ok("alive")) == {"status": "ok", "request_id": "alive"}
    browser.close()
    return served


class RawSocket:
    """A WebSocket that says what it likes."""

    def __init__(self, stack: Stack, **headers: str) -> None:
        self._socket = websocket.create_connection(
            stack.url.replace("http", "ws") + UPGRADE,
            timeout=60,
            header=[f"{name}: {value}" for name, value in headers.items()],
            suppress_origin=True,
        )
        self.receive()

    def join(self, user_id: int) -> None:
        self.send('40{"token":"' + token(user_id) + '"}')
        while not self.receive().startswith("40"):
            pass

    def send(self, text: str | bytes) -> None:
        if isinstance(text, bytes):
            self._socket.send_binary(text)
        else:
            self._socket.send(text)

    def receive(self) -> str:
        """The next frame; empty once the server has closed."""
        try:
            return str(self._socket.recv())
        except (websocket.WebSocketException, OSError):
            return ""

    def is_closed_by_server(self) -> bool:
        while self.receive():
            pass
        return True

    def close(self) -> None:
        self._socket.shutdown()  # type: ignore[no-untyped-call]


@pytest.fixture
def raw(stack: Stack) -> Iterator[RawSocket]:
    one = RawSocket(stack)
    yield one
    one.close()


# --- strangers and forgers ------------------------------------------------------------------


def bad_auths() -> dict[str, Any]:
    tampered = token(7).split(".")
    tampered[1] = token(8).split(".")[1]
    return {
        "missing": {"user_id": 7},
        "malformed": {"token": "nonsense"},
        "expired": {"token": token(7, timedelta(seconds=-1))},
        "signature": {"token": ".".join(tampered)},
        "no expiry": {"token": jwt.encode({"sub": "7"}, SECRET, algorithm=ALGORITHM)},
        "user_id differs": {"user_id": 8, "token": token(7)},
        "client_id": {"token": token(7), "client_id": 7},
    }


@pytest.mark.parametrize("transport", ["websocket", "polling"])
@pytest.mark.parametrize("words", bad_auths())
def test_who_is_refused_is_told_why(stack: Stack, log: Log, words: str, transport: str) -> None:
    auth = bad_auths()[words]
    stranger = stack.stranger(transport)
    with pytest.raises(socketio.exceptions.ConnectionError):
        stranger.connect(auth)
    assert words in stranger.refusals.get(timeout=60)["message"]
    [line] = lines(log, "browser refused")
    assert words in line["reason"]
    assert auth.get("token", "nothing") not in repr(log)
    assert not [entry for entry in log if entry["event"] == "socket connected"]


def test_no_auth_at_all_is_a_missing_token(stack: Stack) -> None:
    stranger = stack.stranger()
    with pytest.raises(socketio.exceptions.ConnectionError):
        stranger.connect(None)
    assert "token is missing" in stranger.refusals.get(timeout=60)["message"]


def test_trouble_with_the_check_itself_refuses(log: Log) -> None:
    with running() as stack:
        stack.server._authenticate = lambda auth: 1 / 0  # type: ignore[assignment, return-value]
        stranger = stack.stranger()
        # Nobody answers, so that waiting for longer would bring nothing else.
        with pytest.raises(socketio.exceptions.ConnectionError):
            stranger.connect({"token": token(7)}, wait=0.5)
        stack.server._authenticate = lambda auth: verify_token(
            auth, SECRET, ALGORITHM, datetime.now(UTC)
        )
        assert still_serves(stack)


def test_strangers_are_shown_out(stack: Stack, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socketio_server, "STRANGER_SECONDS", 0.05)
    silent, leaver = RawSocket(stack), RawSocket(stack)
    leaver.join(7)
    leaver.send("41")
    for one in (silent, leaver):
        assert one.is_closed_by_server()
        one.close()
    seller = RawSocket(stack)
    seller.join(8)
    assert still_serves(stack)
    seller.send('42["plugin_response",null]')
    seller.close()


# --- where they come from -------------------------------------------------------------------


def test_a_forbidden_origin_is_refused_and_named_once(stack: Stack, log: Log) -> None:
    for _ in range(3):
        answer = requests.get(
            stack.url + HANDSHAKE, headers={"Origin": "https://evil.example"}, timeout=10
        )
        assert answer.status_code == 403
        assert "RUNTIME_BRIDGE_ORIGINS" in answer.text
        assert "Access-Control-Allow-Origin" not in answer.headers
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        RawSocket(stack, Origin="https://evil.example")
    [line] = lines(log, "RUNTIME_BRIDGE_ORIGINS")
    assert line["origin"] == "https://evil.example"


@pytest.mark.parametrize("origin", [OURS, OURS.upper(), OURS + "/", None, "same"])
def test_other_origins_are_let_in(stack: Stack, origin: str | None) -> None:
    headers = {"Origin": stack.url if origin == "same" else origin} if origin else {}
    answer = requests.get(stack.url + HANDSHAKE, headers=headers, timeout=60)
    assert answer.status_code == 200
    assert answer.headers.get("Access-Control-Allow-Origin") == headers.get("Origin")
    raw = RawSocket(stack, **headers)
    raw.join(7)
    raw.close()


def test_the_origin_that_a_proxy_was_addressed_by(stack: Stack) -> None:
    headers = {
        "Origin": "https://jobs.example",
        "X-Forwarded-Proto": "https, http",
        "X-Forwarded-Host": "jobs.example",
    }
    assert requests.get(stack.url + HANDSHAKE, headers=headers, timeout=60).status_code == 200


def test_a_star_allows_every_origin() -> None:
    with running("*") as stack:
        headers = {"Origin": "https://anything.example"}
        assert requests.get(stack.url + HANDSHAKE, headers=headers, timeout=60).status_code == 200


# --- what they send -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "packet",
    [
        "42garbage",
        "42",
        "4",
        "40",
        "40garbage",
        "42[]",
        "42{}",
        "42[{}]",
        '42["nobody_knows_this", 1]',
        '42/elsewhere,["plugin_response", {}]',
        "40/elsewhere,",
        "43[]",
        "44{}",
        "49",
        "4é",
        '4{"a": 1}',
        "4" + "[" * 50_000,
        "42" + "[" * 50_000,
        '451-["plugin_response",{"_placeholder":true,"num":0}]',
        b"binary",
        b"",
        "",
        "x",
        "9",
        "6",
        "2probe",
        "0{}",
        "b!!!",
        '42["connect",{},{"token":"x"}]',
        '42["disconnect"]',
    ],
)
def test_garbage_harms_nobody_else(
    stack: Stack,
    raw: RawSocket,
    log: Log,
    capfd: pytest.CaptureFixture[str],
    packet: str | bytes,
) -> None:
    raw.join(7)
    with contextlib.suppress(OSError):
        for _ in range(3):
            raw.send(packet)
    assert still_serves(stack)
    assert len([entry for entry in log if entry["log_level"] == "warning"]) <= 2
    assert capfd.readouterr().err == ""


def test_names_of_the_librarys_own_events_change_nothing(stack: Stack, raw: RawSocket) -> None:
    raw.join(7)
    raw.send('42["disconnect","x"]')
    raw.send('42["connect",{},{"token":"' + token(8) + '"}]')
    raw.send('42["plugin_response",{"request_id":"r0","success":true}]')
    stack.request()
    while "r1" not in raw.receive():
        pass
    raw.send('421["plugin_response",{"request_id":"r1","success":true,"data":1}]')
    assert stack.outcome().unwrap() == 1
    assert next(iter(stack.server._live.values())).user_id == 7


def test_attachments_are_not_waited_for(stack: Stack, raw: RawSocket) -> None:
    raw.join(7)
    raw.send('451-["plugin_response",{"_placeholder":true,"num":0}]')
    raw.send('420["plugin_response",{}]')
    assert raw.receive() == '430[{"status":"refused","request_id":null}]'


def test_compression_is_not_agreed_on(stack: Stack) -> None:
    raw = RawSocket(stack, **{"Sec-WebSocket-Extensions": "permessage-deflate"})
    assert "sec-websocket-extensions" not in (raw._socket.getheaders() or {})
    raw.close()


@pytest.mark.parametrize("body", [b"42garbage", b"\xff\xfe", b"x", b"1\x1e40{}", b"d=", b"4" * 9])
def test_garbage_by_polling(stack: Stack, capfd: pytest.CaptureFixture[str], body: bytes) -> None:
    opened = requests.get(stack.url + HANDSHAKE, timeout=60).text
    sid = opened.split('"sid":"')[1].split('"')[0]
    for _ in range(2):
        requests.post(f"{stack.url}{HANDSHAKE}&sid={sid}", data=body, timeout=60)
    assert still_serves(stack)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "request_text",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"DELETE /socket.io/?EIO=4 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /socket.io/?EIO=3&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_requests_that_make_no_sense(
    stack: Stack, log: Log, capfd: pytest.CaptureFixture[str], request_text: bytes
) -> None:
    plain = socket.create_connection(("127.0.0.1", stack.server.port), timeout=60)
    # If the bridge has not read everything when it closes, the connection breaks.
    with plain, contextlib.suppress(OSError):
        plain.sendall(request_text)
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(65_536):
            pass
    assert still_serves(stack)
    assert capfd.readouterr().err == ""


def test_an_oversized_frame_closes_its_connection(stack: Stack, raw: RawSocket, log: Log) -> None:
    raw.join(7)
    raw.send("42" + "x" * 200_000)
    assert raw.is_closed_by_server()
    assert stack.asker.next(messages.SellerDisconnected) == messages.SellerDisconnected(7)
    assert len(lines(log, "connection closed")) == 1
    assert still_serves(stack)


def test_a_message_in_endless_frames_closes_its_connection(
    stack: Stack, raw: RawSocket, log: Log
) -> None:
    frames = [websocket.ABNF.create_frame("42" + "x" * 60_000, websocket.ABNF.OPCODE_TEXT, 0)]
    frames += [websocket.ABNF.create_frame("x" * 60_000, websocket.ABNF.OPCODE_CONT, 0)] * 3
    raw.join(7)
    with contextlib.suppress(OSError):
        for frame in frames:
            raw._socket.send_frame(frame)
    assert raw.is_closed_by_server()
    assert len(lines(log, "connection closed")) == 1
    assert still_serves(stack)


def test_an_oversized_request_is_refused(stack: Stack, log: Log) -> None:
    browser = stack.browser(transport="polling")
    browser.client.emit("plugin_response", ok(data="x" * 200_000))
    assert browser.disconnected.acquire(timeout=60)
    assert stack.asker.next(messages.SellerDisconnected) == messages.SellerDisconnected(7)
    assert len(lines(log, "request refused")) == 1
    browser.close()
    answer = requests.post(f"{stack.url}{HANDSHAKE}&sid=nobody", data=b"x" * 20_000, timeout=60)
    assert answer.status_code == 413
    assert "16384 bytes" in answer.text
    assert still_serves(stack)


def test_many_packets_in_one_request_are_all_taken(stack: Stack) -> None:
    opened = requests.get(stack.url + HANDSHAKE, timeout=60).text
    url = f"{stack.url}{HANDSHAKE}&sid=" + opened.split('"sid":"')[1].split('"')[0]
    requests.post(url, data='40{"token":"' + token(7) + '"}', timeout=60)
    stack.asker.next(messages.SellerConnected)
    for number in range(40):
        stack.request(f"r{number}")
    packets = [
        f'42["plugin_response",{{"request_id":"r{number}","success":true,"data":{number}}}]'
        for number in range(40)
    ]
    requests.post(url, data="\x1e".join(packets), timeout=60)
    assert {stack.outcome().unwrap() for _ in range(40)} == set(range(40))


def test_an_answer_with_an_endless_integer_is_acknowledged_and_its_outcome_unknown(
    stack: Stack, raw: RawSocket
) -> None:
    raw.join(7)
    stack.request()
    while "r1" not in raw.receive():
        pass
    digits = "9" * 5_000
    raw.send(f'421["plugin_response",{{"request_id":"r1","success":true,"data":{digits}}}]')
    assert raw.receive() == '431[{"status":"ok","request_id":"r1"}]'
    with pytest.raises(OutcomeUnknown, match="TooLongInteger"):
        stack.outcome().unwrap()


def test_refusals_and_complaints_about_one_client_again_and_again_are_summed_up(
    stack: Stack, log: Log
) -> None:
    for _ in range(10):
        babbler, forger = RawSocket(stack), RawSocket(stack)
        babbler.send("4garbage")
        assert babbler.is_closed_by_server()
        forger.send('40{"token":"nonsense"}')
        while not forger.receive().startswith("44"):
            pass
        babbler.close()
        forger.close()
    assert len(lines(log, "browser refused")) == 1
    assert len(lines(log, "unreadable packet ignored")) <= 1


# --- where it listens -----------------------------------------------------------------------


def server(host: str, port: int) -> SocketIOServer:
    return SocketIOServer(host, port, (), 1_000, lambda auth: 1 / 0, print, lambda: 1 / 0)  # type: ignore[arg-type, return-value]


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"{port}.*RUNTIME_BRIDGE_PORT"):
            server("127.0.0.1", port).start()


@pytest.mark.parametrize("host", ["203.0.113.1", "no.such.host.invalid", "x" * 70])
def test_a_host_that_is_not_ours_is_named(host: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{host}.*RUNTIME_BRIDGE_HOST"):
        server(host, 8765).start()


def test_a_server_that_never_started_stops() -> None:
    server("127.0.0.1", 0).stop()


def test_a_restarted_server_takes_its_port_again() -> None:
    first = server("127.0.0.1", 0)
    first.start()
    first.stop()
    second = server("127.0.0.1", first.port)
    second.start()
    second.stop()
