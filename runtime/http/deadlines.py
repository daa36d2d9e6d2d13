"""Ends a connection when its time is over, whatever it is busy with."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta


class Deadline:
    """Ends the connection of the moment when the time is over.

    A time limit of the socket would begin anew with each byte that trickles in.

    Attributes:
        is_over: the time is over.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._lock = threading.Lock()
        self._line: socket.socket | None = None

    def end(self) -> None:
        """The time is over."""
        with self._lock:
            self.is_over = True
            if self._line is not None:
                with contextlib.suppress(OSError):
                    self._line.shutdown(socket.SHUT_RDWR)

    def watch(self, connected: socket.socket) -> None:
        """The connection to end from now on, in place of a former one.

        Raises:
            TimeoutError: the time is over already.
        """
        # A line of its own to the same connection, which TLS, and whoever closes the socket while
        # its answer is still being read, leave alone.
        line = socket.socket(fileno=os.dup(connected.fileno()))
        with self._lock:
            self._drop()
            if self.is_over:
                line.close()
                raise TimeoutError
            self._line = line

    def drop(self) -> None:
        """Watch nothing any more."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


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
        running.drop()
