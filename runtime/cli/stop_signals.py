"""Handles SIGINT, SIGTERM and SIGHUP: the first asks to stop in order, the second ends at once."""

import os
import queue
import signal
import time
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

from runtime.process.standard_error import write_standard_error

LONGEST_WAIT_SECONDS = 0.5

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
            # A process that was started by nohup is to outlive its terminal.
            if one == signal.SIGHUP and signal.getsignal(one) == signal.SIG_IGN:
                continue
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

    def pause(self, seconds: float) -> None:
        """Wait for this time.

        Raises:
            KeyboardInterrupt: a signal has come, before the wait or during it.
        """
        deadline = time.monotonic() + seconds
        while not self.asked and (left := deadline - time.monotonic()) > 0:
            with suppress(queue.Empty):
                self._arrivals.get(timeout=min(left, LONGEST_WAIT_SECONDS))
        if self.asked:
            raise KeyboardInterrupt

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self.asked:
            # A person who asks twice does not want to wait for the orderly stop.
            # print might be interrupted inside itself, and then refuses to be called again. Where
            # nobody reads standard error, the end does not wait.
            write_standard_error("error: stopped at once, by a second signal\n", 0.0)
            os._exit(128 + number)
        self.asked = True
        self._arrivals.put(number)
