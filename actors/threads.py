"""A pool of a fixed number of daemon threads.

``ThreadPoolExecutor`` is not used, because the interpreter joins its threads at exit: one handler
that blocks for ever would keep the service from stopping.
"""

import queue
import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

Work = Callable[[], None]


class DaemonThreads:
    """Runs work in the order in which it came; threads are started when they are first needed."""

    def __init__(self, name: str, count: int) -> None:
        self._name = name
        self._count = count
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._stopped = False

    def submit(self, work: Work) -> bool:
        """Run the work when a thread is free; returns False if the pool was stopped."""
        if self._stopped:
            return False
        if len(self._threads) < self._count:
            thread = threading.Thread(
                target=self._run, name=f"{self._name}-{len(self._threads)}", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        self._queue.put(work)
        return True

    def stop(self) -> None:
        """Start no more work; running work is not interrupted, and nobody waits for it."""
        self._stopped = True
        # A thread that waits for work has to be woken to see that the pool was stopped.
        for _ in self._threads:
            self._queue.put(None)

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            if self._stopped:
                return
            try:
                work()
            except BaseException:  # A SystemExit must not cost the pool a thread.
                log.exception("work failed unexpectedly")
