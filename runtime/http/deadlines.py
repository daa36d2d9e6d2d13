"""Ends a connection when its time is over, whatever it is busy with."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import TypeVar

LONG = timedelta(days=1)

T = TypeVar("T")


class Deadline:
    """Ends the watched connection when the time is over.

    A time limit of the socket would not do: it begins anew with each byte that trickles in.

    Attributes:
        is_over: whether the time is over.
    """

    def __init__(self, time: timedelta = LONG) -> None:
        self.is_over = False
        self._end = monotonic() + time.total_seconds()
        self._lock = threading.Lock()
        self._line: socket.socket | None = None

    def end(self) -> None:
        """End the call, because its time is over."""
        with self._lock:
            self.is_over = True
            if self._line is not None:
                # A shutdown and not a close: it wakes a thread that is blocked in recv(). It fails
                # where the other side has ended the connection already.
                with contextlib.suppress(OSError):
                    self._line.shutdown(socket.SHUT_RDWR)

    def bounded(self, function: Callable[[], T], at_most: timedelta = LONG) -> T:
        """Return the function's value; nothing can end it, so a thread that is late is abandoned.

        Args:
            at_most: a limit for this function, if that is shorter than the remaining time.

        Raises:
            TimeoutError: the function did not return in time.
        """
        given: list[T] = []
        problems: list[BaseException] = []

        def run() -> None:
            try:
                given.append(function())
            except BaseException as problem:  # noqa: BLE001 - raised again by whoever waits
                problems.append(problem)

        # A thread that is abandoned must not keep the process from ending.
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(min(max(0.0, self._end - monotonic()), at_most.total_seconds()))
        if problems:
            raise problems[0]
        if not given:
            raise TimeoutError
        return given[0]

    def watch(self, connected: socket.socket) -> None:
        """Set the connection that ends at the deadline, in place of a former one.

        Raises:
            TimeoutError: the time is over already.
        """
        # A duplicate of the descriptor: TLS replaces the first one, and urllib3 may close it while
        # the answer is still being read, but the connection has to be ended in either case.
        line = socket.socket(fileno=os.dup(connected.fileno()))
        with self._lock:
            self._drop()
            if self.is_over:
                line.close()
                raise TimeoutError
            self._line = line

    def drop(self) -> None:
        """Watch no connection any more."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


@contextmanager
def deadline(time: timedelta) -> Iterator[Deadline]:
    """Run a block under a deadline, whose time begins now."""
    running = Deadline(time)
    timer = threading.Timer(time.total_seconds(), running.end)
    timer.daemon = True
    timer.start()
    try:
        yield running
    finally:
        timer.cancel()
        running.drop()
