"""An HTTPS connection to an address that was checked before, cut off when its time is over."""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

CONNECT_SECONDS = 10.0


class Deadline:
    """Ends the connection of the moment when the time is over, whatever it is busy with.

    A time limit of the socket would begin anew with each byte that trickles in.

    Attributes:
        is_over: the time is over.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def end(self) -> None:
        """The time is over."""
        with self._lock:
            self.is_over = True
            if self._socket is not None:
                # Past ssl.SSLSocket.shutdown, which is not made for two threads.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def watch(self, connected: socket.socket) -> None:
        """The socket to end from now on; one that is closed by then is left alone.

        Raises:
            TimeoutError: the time is over already.
        """
        with self._lock:
            self._socket = connected
            if self.is_over:
                raise TimeoutError


@contextmanager
def deadline(time: timedelta) -> Iterator[Deadline]:
    """A deadline that begins to run now."""
    running = Deadline()
    timer = threading.Timer(time.total_seconds(), running.end)
    timer.daemon = True
    timer.start()
    try:
        yield running
    finally:
        timer.cancel()


class PinnedConnection(http.client.HTTPSConnection):
    """Connects to one address, and expects the certificate of the host that it was found for."""

    def __init__(
        self, host: str, port: int, address: str, trust: ssl.SSLContext, limit: Deadline
    ) -> None:
        super().__init__(host, port, timeout=CONNECT_SECONDS, context=trust)
        self._address = address
        self._trust = trust
        self._limit = limit

    def connect(self) -> None:
        """Connect, and agree on TLS."""
        plain = socket.create_connection((self._address, self.port), CONNECT_SECONDS)
        # Makes another socket of it, which the deadline has to know before the handshake.
        secured = self._trust.wrap_socket(
            plain, server_hostname=self.host, do_handshake_on_connect=False
        )
        try:
            self._limit.watch(secured)
            secured.do_handshake()
        except BaseException:
            secured.close()
            raise
        self.sock = secured
