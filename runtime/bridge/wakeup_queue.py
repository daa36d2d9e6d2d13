"""Hands work to a thread that sleeps on a socket (a self-pipe)."""

import queue
import socket
from collections.abc import Callable, Iterator

Work = Callable[[], None]


class WakeupQueue:
    """A queue, and a socket that becomes readable when there is something in it."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Work] = queue.SimpleQueue()
        self._button: socket.socket | None = None
        self._bell: socket.socket | None = None
        self._rung = False

    def open(self) -> socket.socket:
        """Return the socket to wait on; a byte arrives for work, also for work posted before."""
        self._button, self._bell = socket.socketpair()
        # A thread that posts work must never wait for the thread that does it.
        self._button.setblocking(False)
        self._button.send(b"\0")
        return self._bell

    def post(self, work: Work) -> None:
        """Hand over work, from any thread; after :meth:`close` nobody does it."""
        self._queue.put(work)
        button = self._button
        # One byte wakes the thread for all work that has gathered.
        if self._rung or button is None:
            return
        self._rung = True
        try:
            button.send(b"\0")
        except OSError:
            # A full socket wakes the thread anyway, and behind a closed socket nobody waits.
            return

    def take(self) -> Iterator[Work]:
        """Yield the work that was posted; for the working thread, after it was woken."""
        # The flag falls before the queue is emptied: work that is added after that wakes the
        # thread again. In the other order work could stay in the queue unseen.
        self._rung = False
        while not self._queue.empty():
            yield self._queue.get_nowait()

    def close(self) -> None:
        """Close both sides; the working thread must have ended before."""
        for end in (self._button, self._bell):
            if end is not None:
                end.close()
