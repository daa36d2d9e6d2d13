"""Work handed to a thread that sleeps on a socket."""

import queue
import socket
from collections.abc import Callable, Iterator

Work = Callable[[], None]


class Doorbell:
    """A queue, and a socket that becomes readable when there is something in it.

    Attributes:
        bell: what the working thread waits on; a byte or more arrive for new work.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Work] = queue.SimpleQueue()
        self._button, self.bell = socket.socketpair()
        self._button.setblocking(False)
        self._rung = False

    def post(self, work: Work) -> None:
        """Hand over work, from any thread; lost once the bell is closed."""
        self._queue.put(work)
        if self._rung:
            return
        self._rung = True
        try:
            self._button.send(b"\0")
        except OSError:
            # Full, so that the thread wakes up anyway; or closed, so that nobody is there.
            return

    def take(self) -> Iterator[Work]:
        """What there is to do; for the working thread, after it was woken."""
        # Before the queue is emptied: who puts something in after that rings again.
        self._rung = False
        while not self._queue.empty():
            yield self._queue.get_nowait()

    def close(self) -> None:
        """End both sides; only when the working thread is gone."""
        self._button.close()
        self.bell.close()
