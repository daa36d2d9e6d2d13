"""Work handed to a thread that sleeps on a socket."""

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
        self._button.setblocking(False)
        self._button.send(b"\0")
        return self._bell

    def post(self, work: Work) -> None:
        """Hand over work, from any thread; it is not done where the bell is closed."""
        self._queue.put(work)
        button = self._button
        if self._rung or button is None:
            return
        self._rung = True
        try:
            button.send(b"\0")
        except OSError:
            # Full, so that the thread wakes up anyway; or closed, so that nobody is there.
            return

    def take(self) -> Iterator[Work]:
        """Yield the work that was posted; for the working thread, after it was woken."""
        # Before the queue is emptied: who puts something in after that rings again.
        self._rung = False
        while not self._queue.empty():
            yield self._queue.get_nowait()

    def close(self) -> None:
        """End both sides; only when the working thread is gone."""
        for end in (self._button, self._bell):
            if end is not None:
                end.close()
