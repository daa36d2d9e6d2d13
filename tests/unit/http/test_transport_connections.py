"""The HTTP transport, when the connection breaks: not sent only where it surely did not leave."""

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from runtime.errors import (
    CallRejected,
    CallTimeout,
    ConnectionLost,
    HeldUp,
    NotSent,
    OutcomeUnknown,
)
from runtime.http.transport import HttpTransport
from runtime.runs.calls import Failure, HttpCall, Success

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Script = Callable[[socket.socket], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Script], int]]:
    """Start a server that does to its one connection what a script says; gives its port."""
    threads: list[threading.Thread] = []
    over = threading.Event()

    def serve(script: Script) -> int:
        listener = socket.create_server(("127.0.0.1", 0))

        def run() -> None:
            with listener:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(30)
                    try:
                        script(connection)
                        if script.__name__ in HANGING:
                            over.wait(30)
                    except OSError:
                        pass  # the client left

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        threads.append(thread)
        port: int = listener.getsockname()[1]
        return port

    yield serve
    over.set()
    for thread in threads:
        thread.join(30)


def request_of(connection: socket.socket) -> None:
    """Read the request to its end."""
    seen = b""
    while b"\r\n\r\n" not in seen:
        seen += connection.recv(65_536)
    head, _, body = seen.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line.split(b":")[1]):
                body += connection.recv(65_536)


def closes_at_once(connection: socket.socket) -> None:
    pass


def closes_after_the_request(connection: socket.socket) -> None:
    request_of(connection)


def resets_after_the_request(connection: socket.socket) -> None:
    request_of(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def closes_in_the_head(connection: socket.socket) -> None:
    request_of(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-")


def closes_after_the_head(connection: socket.socket) -> None:
    request_of(connection)
    connection.sendall(HEAD + b"\r\n")


def closes_in_the_body(connection: socket.socket) -> None:
    request_of(connection)
    connection.sendall(HEAD + b'Content-Length: 100\r\n\r\n{"id": 5}')


def closes_in_a_chunk(connection: socket.socket) -> None:
    request_of(connection)
    connection.sendall(HEAD + b'Transfer-Encoding: chunked\r\n\r\n9\r\n{"id": 5}\r\n50\r\nxx')


def talks_nonsense(connection: socket.socket) -> None:
    request_of(connection)
    connection.sendall(b"220 smtp.example ESMTP\r\n\r\n")


def is_silent(connection: socket.socket) -> None:
    request_of(connection)


def is_silent_in_the_body(connection: socket.socket) -> None:
    request_of(connection)
    connection.sendall(HEAD + b'Content-Length: 100\r\n\r\n{"id": 5}')


def never_ends(connection: socket.socket) -> None:
    request_of(connection)
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1\r\n1\r\n")


def drips_the_head(connection: socket.socket) -> None:
    request_of(connection)
    while True:
        connection.sendall(b"H")
        time.sleep(0.02)


def drips_within_a_chunk(connection: socket.socket) -> None:
    request_of(connection)
    connection.sendall(HEAD + b"Content-Length: 60000\r\n\r\n")
    while True:
        connection.sendall(b"1")
        time.sleep(0.02)


def drips_without_an_end(connection: socket.socket) -> None:
    request_of(connection)
    connection.sendall(HEAD + b"Connection: close\r\n\r\n1")
    while True:
        connection.sendall(b"1")
        time.sleep(0.02)


DEADLINES = (0.2, 2.0, 20.0)
"""Seconds after which a call is given up that nobody answers."""
WITH_HANDSHAKE = DEADLINES[1:]
HANGING = {"is_silent", "is_silent_in_the_body", "is_silent_in_the_handshake"}


class Trusting(HttpTransport):
    """Trusts a certificate of the test's own."""

    def __init__(self, marketplaces: Any, verify: Any) -> None:
        super().__init__(marketplaces)
        self._verify = verify

    def _new_session(self, marketplace: str) -> Any:
        session = super()._new_session(marketplace)
        session.verify = self._verify
        return session


def attempt(url: str, method: str = "POST", seconds: float = 10, verify: Any = True) -> Any:
    transport = Trusting({}, verify)
    call = HttpCall(method, url, json={"title": "x"} if method == "POST" else None)
    outcome = transport.perform("ebay", call, timedelta(seconds=seconds))
    assert isinstance(outcome, Failure)
    return outcome.error


def attempt_in_vain(
    new_url: Callable[[], str], expected: type, method: str = "POST", verify: Any = True,
    deadlines: Sequence[float] = DEADLINES,
) -> Any:  # fmt: skip
    """How a call ends that nobody answers; a busy machine may need longer to come so far."""
    for seconds in deadlines:
        error = attempt(new_url(), method, seconds, verify)
        if type(error) is expected:
            break
    assert type(error) is expected, error
    return error


@pytest.mark.parametrize(
    "script",
    [
        closes_at_once, closes_after_the_request, resets_after_the_request,
        closes_in_the_body, closes_in_a_chunk, talks_nonsense,
    ],
)  # fmt: skip
@pytest.mark.parametrize(("method", "writes"), [("POST", True), ("GET", False)])
def test_a_connection_that_breaks_leaves_the_outcome_unknown(
    serve: Callable[[Script], int], script: Script, method: str, writes: bool
) -> None:
    error = attempt(f"http://127.0.0.1:{serve(script)}/x", method)
    assert type(error) is ConnectionLost, error
    assert error.writes is writes


@pytest.mark.parametrize("script", [closes_in_the_head, closes_after_the_head])
def test_an_answer_of_which_only_the_head_came_is_no_answer(
    serve: Callable[[Script], int], script: Script
) -> None:
    assert type(attempt(f"http://127.0.0.1:{serve(script)}/x")) is OutcomeUnknown
    assert type(attempt(f"http://127.0.0.1:{serve(script)}/x", "GET")) is CallRejected


@pytest.mark.parametrize(
    "script",
    [
        is_silent, is_silent_in_the_body, never_ends, drips_the_head, drips_within_a_chunk,
        drips_without_an_end,
    ],
)  # fmt: skip
@pytest.mark.parametrize(("method", "writes"), [("POST", True), ("GET", False)])
def test_a_server_that_does_not_come_to_an_end_is_not_waited_for(
    serve: Callable[[Script], int], script: Script, method: str, writes: bool
) -> None:
    error = attempt_in_vain(lambda: f"http://127.0.0.1:{serve(script)}/x", CallTimeout, method)
    assert error.writes is writes
    assert re.search(r"no answer after [\d.]+s$", str(error))


def test_what_nobody_listens_for_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert type(attempt(f"http://127.0.0.1:{port}/x")) is NotSent


def test_a_host_that_has_no_address_is_not_sent_to() -> None:
    assert type(attempt("http://nowhere.invalid/x")) is NotSent


def test_a_host_that_takes_no_connection_in_time_is_not_sent_to() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        error = attempt(f"http://127.0.0.1:{address[1]}/x", seconds=0.1)
        for filler in fillers:
            filler.close()
    assert type(error) is NotSent, error


# --- TLS ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody else signed, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def over_tls(certificate: Path, script: Script) -> Script:
    """Agree on TLS, then go on with the script, below TLS where it says so."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def run(connection: socket.socket) -> None:
        secured = context.wrap_socket(connection.dup(), server_side=True)
        with secured:
            script(secured)

    run.__name__ = script.__name__
    return run


def breaks_the_encryption(connection: socket.socket) -> None:
    request_of(connection)
    assert isinstance(connection, ssl.SSLSocket)
    with socket.socket(fileno=connection.detach()) as bare:
        # A record of application data that nobody can decrypt.
        bare.sendall(b"\x17\x03\x03\x00\x20" + b"\0" * 32)


def is_silent_in_the_handshake(connection: socket.socket) -> None:
    connection.recv(65_536)


def answers_in_plain_text(connection: socket.socket) -> None:
    connection.recv(65_536)
    connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")


def test_a_certificate_that_nobody_vouches_for_is_not_sent_to(
    serve: Callable[[Script], int], certificate: Path
) -> None:
    port = serve(over_tls(certificate, closes_after_the_request))
    assert type(attempt(f"https://127.0.0.1:{port}/x")) is NotSent


@pytest.mark.parametrize(
    "script", [closes_at_once, answers_in_plain_text, is_silent_in_the_handshake]
)
def test_where_tls_was_not_agreed_on_nothing_was_sent(
    serve: Callable[[Script], int], script: Script
) -> None:
    attempt_in_vain(
        lambda: f"https://127.0.0.1:{serve(script)}/x", NotSent, deadlines=WITH_HANDSHAKE
    )


def test_a_drip_over_tls_is_not_waited_for(
    serve: Callable[[Script], int], certificate: Path
) -> None:
    script = over_tls(certificate, drips_within_a_chunk)
    attempt_in_vain(
        lambda: f"https://127.0.0.1:{serve(script)}/x", CallTimeout, verify=str(certificate),
        deadlines=WITH_HANDSHAKE,
    )  # fmt: skip


@pytest.mark.parametrize(
    "script",
    [
        closes_after_the_request, resets_after_the_request, closes_in_the_body,
        breaks_the_encryption,
    ],
)  # fmt: skip
def test_an_error_of_tls_after_the_request_left_leaves_the_outcome_unknown(
    serve: Callable[[Script], int], certificate: Path, script: Script
) -> None:
    port = serve(over_tls(certificate, script))
    error = attempt(f"https://127.0.0.1:{port}/x", verify=str(certificate))
    assert type(error) is ConnectionLost, error
    assert error.writes


def test_each_write_has_a_connection_of_its_own(httpserver: HTTPServer) -> None:
    ports: list[int] = []

    def answer(request: Request) -> Response:
        ports.append(request.environ["REMOTE_PORT"])
        return Response("{}")

    httpserver.expect_request("/x").respond_with_handler(answer)
    transport = HttpTransport({})
    for _ in range(3):
        transport.perform("ebay", HttpCall("POST", httpserver.url_for("/x")), timedelta(seconds=5))
    assert len(set(ports)) == 3


@pytest.mark.parametrize("secured", [False, True])
def test_a_write_that_is_late_once_it_is_connected_does_not_leave(
    serve: Callable[[Script], int], certificate: Path, secured: bool
) -> None:
    received: list[bytes] = []
    connected = threading.Event()
    over = threading.Event()

    def listens(connection: socket.socket) -> None:
        connected.set()
        received.append(connection.recv(65_536))
        over.set()

    def may_leave() -> bool:
        # Not before the server has seen the connection: a check that came earlier would wait.
        assert connected.wait(60)
        return False

    port = serve(over_tls(certificate, listens) if secured else listens)
    transport = Trusting({}, str(certificate))
    call = HttpCall("POST", f"{'https' if secured else 'http'}://127.0.0.1:{port}/x", json={})

    outcome = transport.perform("ebay", call, timedelta(seconds=10), may_leave)

    assert isinstance(outcome, Failure)
    assert type(outcome.error) is HeldUp
    assert over.wait(60)
    assert received == [b""]


# --- names ----------------------------------------------------------------------------------


def test_a_name_that_nobody_answers_for_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: never.wait(600))
    started = time.monotonic()
    outcome = HttpTransport({}).perform(
        "shop", HttpCall("POST", "http://shop.example/x", json={}), timedelta(seconds=0.2)
    )
    never.set()
    assert time.monotonic() - started < 60
    assert isinstance(outcome, Failure)
    assert isinstance(outcome.error, NotSent)
    assert "shop.example cannot be looked up in time" in str(outcome.error)


def test_of_several_addresses_one_that_answers_is_found(
    serve: Callable[[Script], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")

    port = serve(answers)
    found = [("127.0.0.2", port), ("127.0.0.1", port)]
    look_up = socket.getaddrinfo

    def resolve(host: str, *arguments: Any) -> list[tuple[Any, ...]]:
        if host != "shop.example":
            return look_up(host, *arguments)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", one) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    call = HttpCall("GET", f"http://shop.example:{port}/x")
    outcome = HttpTransport({}).perform("shop", call, timedelta(seconds=5))
    assert isinstance(outcome, Success)
    assert outcome.value == {}
