"""The local address to which a seller's browser is sent back after a consent."""

import html
import time
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from runtime.errors import ConfigurationError, ConsentRefused

PATH = "/callback"
LONGEST_REQUEST_SECONDS = 5.0
PAGE = "<!doctype html><meta charset=utf-8><title>Marketplace Runtime</title><p>{}</p>"

Accept = Callable[[str], str]
"""Takes the address of a request; raises ``ConsentRefused`` where it is not the answer."""


class Callback:
    """Listens on the loopback interface for one answer. A context manager.

    Attributes:
        address: to which the answer has to go.

    Raises:
        ConfigurationError: the port is taken.
    """

    def __init__(self, port: int) -> None:
        try:
            self._server = _Server(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise ConfigurationError(
                f"port {port} cannot be listened on ({error.strerror}): choose another with "
                "--port, or paste the address with --paste"
            ) from None
        self.address = f"http://127.0.0.1:{self._server.server_port}{PATH}"

    def wait(self, accept: Accept, patience: timedelta) -> str:
        """Wait for the answer; gives what ``accept`` makes of it.

        Raises:
            ConsentRefused: none came in time.
        """
        deadline = time.monotonic() + patience.total_seconds()
        self._server.accept = accept
        while self._server.answer is None:
            left = deadline - time.monotonic()
            if left <= 0:
                minutes = patience.total_seconds() / 60
                raise ConsentRefused(f"no answer came in {minutes:g} minutes: ask again")
            self._server.timeout = left
            self._server.handle_request()
        return self._server.answer

    def __enter__(self) -> "Callback":
        """Nothing more to do."""
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        self._server.server_close()


class _Server(HTTPServer):
    answer: str | None = None
    accept: Accept


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = LONGEST_REQUEST_SECONDS

    def do_GET(self) -> None:
        """Take an answer; anything else on this port is none."""
        if urlsplit(self.path).path != PATH:
            self._say(404, "There is nothing here.")
            return
        try:
            self.server.answer = self.server.accept(self.path)
        except ConsentRefused as error:
            self._say(400, str(error))
        else:
            self._say(200, "Thank you. You can close this window.")

    def _say(self, status: int, text: str) -> None:
        body = PAGE.format(html.escape(text)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """The code stands in the address; it is not logged."""
