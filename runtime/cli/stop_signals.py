"""Handles SIGINT and SIGTERM: the first asks to stop in order, the second ends the process."""

import os
import queue
import signal
import sys
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

LONGEST_WAIT_SECONDS = 0.5

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Notes signals while its block runs, instead of raising in the middle of other work.

    Attributes:
        asked: whether a signal has come.
    """

    def __init__(self) -> None:
        self.asked = False
        # Unlike an Event, this queue is reentrant: a signal handler that interrupts the wait on it
        # may put something in.
        self._arrivals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        """Take the signals over."""
        for one in _SIGNALS:
            self._former[one] = signal.signal(one, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the signals back."""
        for one, handler in self._former.items():
            signal.signal(one, handler)

    def wait(self) -> None:
        """Block until a signal comes."""
        # If a signal comes right before the wait begins, Python runs its handler only after the
        # wait. So no wait is long.
        while not self.asked:
            with suppress(queue.Empty):
                self._arrivals.get(timeout=LONGEST_WAIT_SECONDS)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self.asked:
            # A person who asks twice does not want to wait for the orderly stop.
            # print might be interrupted inside itself, and then refuses to be called again.
            os.write(sys.stderr.fileno(), b"error: stopped at once, by a second signal\n")
            os._exit(128 + number)
        self.asked = True
        self._arrivals.put(number)
