"""Delivers an answer to the client, or lets the delivery fail as a fault says."""

import contextlib
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

from runtime.sandbox.exchange import Answer, Request
from runtime.sandbox.faults import Fault, Plan

CHUNK = b" " * 65_536
PAGE = b"<!DOCTYPE html><html><body><h1>We'll be back soon</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Delivery:
    """An answer, and the fault on its way.

    Attributes:
        failure: the answer that is sent in its place if the fault is a 500.
    """

    answer: Answer
    plan: Plan | None = None
    failure: Answer | None = None


class Server(ThreadingHTTPServer):
    """Takes many connections at once, and bears with clients that go away."""

    # A test may leave connections open: neither the end of the process nor that of the server waits
    # for their threads.
    daemon_threads = True
    block_on_close = False
    # Every write of the runtime opens a connection; a short queue would make them wait.
    request_queue_size = 1_024

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet if a client went away."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Reads one request after the other off a connection; subclassed for each sandbox."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    serve: ClassVar[Callable[[Request], Delivery]]

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        target = urlsplit(self.path)
        request = Request(
            self.command,
            target.path,
            target.query,
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(length),
        )
        with contextlib.suppress(ConnectionError, TimeoutError):
            self._deliver(type(self).serve(request))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _handle  # noqa: N815

    def _deliver(self, delivery: Delivery) -> None:
        answer, plan = delivery.answer, delivery.plan
        match plan.fault if plan else None:
            # The client sees the same in all three: only the marketplace knows whether the call
            # was, or will be, carried out.
            case Fault.LATE | Fault.REFUSED | Fault.UNANSWERED:
                self._break_off()
            case Fault.CUT_OFF:
                self._send(answer, upto=len(answer.content()) // 2)
                self._break_off()
            case Fault.DONE_BUT_FAILED if delivery.failure:
                self._send(delivery.failure)
            case Fault.NOT_JSON:
                self._send_bytes(200, {"Content-Type": "text/html"}, PAGE)
            case Fault.OVERSIZED if plan and answer.body is not None:
                self._send(answer, filled_to=plan.size)
            case _:
                self._send(answer)

    def _send(self, answer: Answer, upto: int | None = None, filled_to: int = 0) -> None:
        # Half of an empty answer is nothing at all, not even a status.
        if upto == 0:
            return
        headers = dict(answer.headers)
        if answer.body is not None:
            headers = {"Content-Type": "application/json", **headers}
        self._send_bytes(answer.status, headers, answer.content(), upto, filled_to)

    def _send_bytes(
        self,
        status: int,
        headers: dict[str, str],
        content: bytes,
        upto: int | None = None,
        filled_to: int = 0,
    ) -> None:
        # The length is announced for the whole answer, so a client can tell that it was cut off.
        length = max(len(content), filled_to)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        # HTTP allows no length with 204.
        if status != 204:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content[:upto])
        filling = length - len(content)
        # The blanks are written in chunks: an answer of 200 MB is to test the client's memory, and
        # not the sandbox's.
        while filling > 0:
            self.wfile.write(CHUNK[:filling])
            filling -= len(CHUNK)

    def _break_off(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            # close() alone would leave the connection open while the handler's files still refer to
            # the socket.
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing, because ``Sandbox.exchanges`` holds every request."""
