"""Listens at the local address to which a seller's browser returns after a consent."""

import html
import threading
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from runtime.errors import ConfigurationError, ConsentDeclined, ConsentRefused

PATH = "/callback"
LONGEST_REQUEST_SECONDS = 5.0
POLL_SECONDS = 0.05
PAGE = "<!doctype html><meta charset=utf-8><title>Marketplace Runtime</title><p>{}</p>"

Accept = Callable[[str], str]
"""Takes the address of a request, and returns the code in it.

It raises ``ConsentRefused`` if the request is not the answer, and ``ConsentDeclined`` if the
seller said no.
"""


class Callback:
    """Listens on the loopback interface for one answer, as a context manager.

    Attributes:
        address: the address to which the answer has to go.

    Raises:
        ConfigurationError: the port is taken.
    """

    def __init__(self, port: int) -> None:
        try:
            # The loopback interface only: the address carries the code, and no other machine may
            # send one.
            self._server = _Server(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise ConfigurationError(
                f"port {port} cannot be listened on ({error.strerror}): choose another with "
                "--port, or paste the address with --paste"
            ) from None
        self.address = f"http://127.0.0.1:{self._server.server_port}{PATH}"

    def wait(self, accept: Accept, patience: timedelta) -> str:
        """Wait for the answer; returns the value that ``accept`` reads from it.

        Raises:
            ConsentDeclined: the seller said no.
            ConsentRefused: no answer came in time.
        """
        self._server.accept = accept
        # Each request has a thread of its own, so that a request that hangs blocks no answer.
        threading.Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), daemon=True
        ).start()
        try:
            answered = self._server.answered.wait(patience.total_seconds())
        finally:
            self._server.shutdown()
        if not answered:
            minutes = patience.total_seconds() / 60
            raise ConsentRefused(f"no answer came in {minutes:g} minutes: ask again")
        answer = self._server.answer
        if isinstance(answer, ConsentDeclined):
            raise answer
        return answer

    def __enter__(self) -> "Callback":
        """Return this, because the socket listens already."""
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    accept: Accept
    answer: str | ConsentDeclined

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.answered = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore the error: nonsense on this port does not concern the person who waits."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = LONGEST_REQUEST_SECONDS

    def do_GET(self) -> None:
        """Take an answer; every other path gets a 404."""
        # Browsers also ask for a favicon.
        if self.path.partition("?")[0] != PATH:
            self._say(404, "There is nothing here.")
            return
        answer: str | ConsentDeclined
        try:
            answer = self.server.accept(self.path)
        except ConsentDeclined as error:
            answer = error
        # A request that is not the answer leaves the person waiting for the real one.
        except ConsentRefused as error:
            self._say(400, str(error))
            return
        try:
            if isinstance(answer, ConsentDeclined):
                self._say(400, str(answer))
            else:
                self._say(200, "Thank you. You can close this window.")
        finally:
            # This comes after the page is sent, because the process may end with the answer.
            self.server.answer = answer
            self.server.answered.set()

    def _say(self, status: int, text: str) -> None:
        body = PAGE.format(html.escape(text)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Log nothing, because the code stands in the address."""
