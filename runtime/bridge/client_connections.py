"""The connections of the bridge's clients: none of them holds the others up.

Beside ``socketio_server`` this is the only file that knows eventlet. A green thread is not
interrupted: as long as its socket has data, nobody else would have a turn. So each connection reads
within a budget and gives way to the others, has deadlines, and can be cut off.
"""

import contextlib
import socket
import time
import warnings
from collections.abc import Callable
from typing import Any

import structlog

from runtime.bridge.admission import STRANGER_BYTES
from runtime.bridge.library_log import LONGEST_DETAIL
from runtime.bridge.read_budget import Allowance, ReadBudget
from runtime.bridge.websocket_mask import apply_mask
from runtime.process.repeated_lines import RepeatedLines

with warnings.catch_warnings():
    # eventlet warns at each import that it is in maintenance mode. The project knows of this.
    warnings.simplefilter("ignore")
    import eventlet
    import eventlet.websocket
    from eventlet import greenio, wsgi
    from eventlet.websocket import FailedConnectionError, RFC6455WebSocket

log = structlog.get_logger(__name__)

STRANGER = Allowance(burst=65_536, per_second=32_768)
SELLER_BURST = 4_000_000
SELLER_BYTES_PER_SECOND = 1_000_000
HEADER_SECONDS = 10.0
"""The time for the headers of a request, from its first byte on."""
BODY_SECONDS = 10.0
SLOWEST_BODY = 50_000
"""Bytes per second: the body of a request may take ten seconds, and the time that it takes at this
speed."""
CROWDED_SECONDS = 0.2
PIECES_IN_A_TURN = 8


class ClientConnection(greenio.GreenSocket):  # type: ignore[misc]
    """The connection of one client, which is a stranger until it belongs to a seller.

    Args:
        accepted: the library's object for the same connection.
        lines: writes the lines that clients could repeat.
    """

    def __init__(self, accepted: Any, lines: RepeatedLines) -> None:
        super().__init__(accepted.fd)
        self.lines = lines
        # The library's own object closes the connection as soon as nobody has it.
        self._accepted = accepted
        self.is_stranger = True
        self._budget = ReadBudget(STRANGER, time.monotonic())
        self._deadline: float | None = None
        self._pieces = 0

    def trust(self, max_bytes: int) -> None:
        """Let a seller's packets in: larger, and faster.

        Args:
            max_bytes: the size of the largest packet that is accepted.
        """
        if self.is_stranger:
            self.is_stranger = False
            burst = max(SELLER_BURST, 2 * max_bytes)
            self._budget.grant(Allowance(burst, SELLER_BYTES_PER_SECOND))

    def take_turn(self, cost: int = 0) -> None:
        """Give way to the others, and wait until the budget allows to go on.

        Args:
            cost: the bytes that are taken from the budget for work that was not read.
        """
        if cost:
            self._budget.spend(cost, time.monotonic())
        eventlet.sleep(self._budget.wait().total_seconds())

    def expect_within(self, seconds: float | None) -> None:
        """Let what is read from now on arrive within this time; None lifts the deadline."""
        self._deadline = None if seconds is None else time.monotonic() + seconds

    def cut(self) -> None:
        """End the connection in both directions, whatever its client goes on to send."""
        # This wakes the green thread that reads from it, and it ends its work.
        with contextlib.suppress(OSError):
            self.fd.shutdown(socket.SHUT_RDWR)

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """Read, in turn with the others."""
        data: bytes = self._in_turn(lambda: super(ClientConnection, self).recv(bufsize, flags))
        self._budget.spend(len(data), time.monotonic())
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Read, in turn with the others."""
        read = super().recv_into
        size: int = self._in_turn(lambda: read(buffer, nbytes, flags))
        self._budget.spend(size, time.monotonic())
        return size

    def _in_turn(self, read: Callable[[], Any]) -> Any:
        self._pieces += 1
        if self._budget.wait() or self._pieces % PIECES_IN_A_TURN == 0:
            self.take_turn()
        usual = self.gettimeout()
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self.settimeout(left if usual is None else min(left, usual))
        try:
            return read()
        finally:
            self.settimeout(usual)


class ClientListener(greenio.GreenSocket):  # type: ignore[misc]
    """A listening socket that survives errors of single connections, and keeps places for sellers.

    Args:
        most_strangers: when one more connects, the one who has been a stranger longest is cut off.
            A seller is a stranger for the moment until the token is shown.
        lines: writes the lines that clients could repeat.
    """

    def __init__(self, listening: socket.socket, most_strangers: int, lines: RepeatedLines) -> None:
        super().__init__(listening)
        # It accepts, because the library gives a connection the class of its listener.
        self._library_socket = greenio.GreenSocket(listening)
        self._most_strangers = most_strangers
        self._lines = lines
        self._strangers: dict[ClientConnection, None] = {}

    def accept(self) -> Any:
        """Return the next connection and its address."""
        while True:
            # As long as somebody connects, accepting waits for nothing, and nobody else had a turn.
            eventlet.sleep(0)
            try:
                accepted, address = self._library_socket.accept()
                connection = ClientConnection(accepted, self._lines)
                # Without Nagle's algorithm a small packet does not wait for the receipt of the
                # one before.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._make_room(connection)
                return connection, address
            except OSError as error:
                if self.fd.fileno() < 0:
                    raise
                refused = "a connection could not be accepted"
                self._lines.say(log.warning, refused, None, error=str(error))
                eventlet.sleep(CROWDED_SECONDS)

    def forget(self, connection: ClientConnection) -> None:
        """Count a connection no longer: it has ended, or belongs to a seller."""
        self._strangers.pop(connection, None)

    def _make_room(self, newcomer: ClientConnection) -> None:
        self._strangers[newcomer] = None
        if len(self._strangers) > self._most_strangers:
            oldest = next(iter(self._strangers))
            self.forget(oldest)
            oldest.cut()


class Protocol(wsgi.HttpProtocol):  # type: ignore[misc]
    """Gives each request a deadline, and writes complaints to the log, not to standard error."""

    has_served = False

    def _read_request_line(self) -> Any:
        connection = self.connection
        if self.has_served:
            # A connection may be idle between two requests, for as long as the server allows.
            connection.expect_within(None)
            try:
                self.rfile.peek(1)
            except ConnectionError:
                return b""
        self.has_served = True
        connection.expect_within(HEADER_SECONDS)
        return super()._read_request_line()

    def finish(self) -> None:
        """Close the connection."""
        try:
            super().finish()
        finally:
            # If the last bytes cannot be written, the library does not close this file, and the
            # descriptor stays open.
            self.rfile.close()
            self.server.socket.forget(self.connection)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - inherited name
        """Log what made no sense."""
        detail = (format % args)[:LONGEST_DETAIL]
        self.connection.lines.say(log.info, "unreadable HTTP request", None, detail=detail)


class WebSocket(RFC6455WebSocket):  # type: ignore[misc]
    """eventlet's class, with a limit on whole messages and without a loop over every byte."""

    class Message(RFC6455WebSocket.Message):  # type: ignore[misc]
        """Limits the size of a message: a limit on each of its frames alone would not do so."""

        size = 0

        def push(self, data: bytes, final: bool = False) -> None:
            """Take a piece of the message."""
            self.size += len(data)
            if self.size > self.max_frame_length:
                raise FailedConnectionError(1009, "message too long")
            super().push(data, final)

    @property
    def max_frame_length(self) -> int:
        """The size of the largest message: a small one until a token was shown."""
        if self.socket.is_stranger:
            return min(STRANGER_BYTES, self._max_frame_length)
        return self._max_frame_length

    @max_frame_length.setter
    def max_frame_length(self, size: int) -> None:
        self._max_frame_length = size

    @staticmethod
    def _apply_mask(
        data: bytes, mask: tuple[int, ...], length: int | None = None, offset: int = 0
    ) -> bytes:
        return apply_mask(data if length is None else data[:length], mask, offset)

    def close(self, close_data: tuple[int, str] | None = None) -> None:
        """Close the connection, and say in the log why."""
        if close_data is not None and close_data[1]:
            reason = close_data[1][:LONGEST_DETAIL]
            self.socket.lines.say(log.warning, "connection closed", None, reason=reason)
        super().close(close_data)


# The library looks the class up here for each connection that it upgrades.
eventlet.websocket.RFC6455WebSocket = WebSocket
