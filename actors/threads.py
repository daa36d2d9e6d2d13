"""A fixed number of daemon threads.

Not ``ThreadPoolExecutor``: the interpreter joins its threads at exit, so one handler that
blocks for ever would keep the service from stopping.
"""

import queue
import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

Work = Callable[[], None]


class DaemonThreads:
    """Runs work in the order in which it came, started when first needed."""

    def __init__(self, name: str, count: int) -> None:
        self._name = name
        self._count = count
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._stopped = False

    def submit(self, work: Work) -> bool:
        """Run it when a thread is free; False where the pool was stopped."""
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
        """Start nothing more; what runs is left to end by itself."""
        self._stopped = True
        for _ in self._threads:
            self._queue.put(None)

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            if self._stopped:
                return
            try:
                work()
            except BaseException:  # a SystemExit must not cost the pool a thread
                log.exception("work failed unexpectedly")
