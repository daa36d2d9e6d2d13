"""Finds the job whose code kept the node's heartbeat from its turn, and so made the node silent.

A function of C, such as a search in a text, may keep all other threads waiting until it returns.
Then no heartbeat is confirmed, nothing is sent, and every browser loses its connection. The runs
that end of this use up no attempt, so that the job which caused it would come back for ever.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

STALLED_AFTER = timedelta(seconds=15)
"""The time without a turn of the heartbeat after which the node counts as stalled: as long as a
lease lasts."""

LEAST_HELD = 0.5
"""The part of that time for which the code has to have run in one piece."""

LEAST_COMPUTED = 0.1
"""The part of the code's time in which its thread computed. Code that waits holds nobody up, and
a process that was stopped computes nothing."""

Seconds = Callable[[], float]


class Stalls:
    """Counts the stalls of a node's heartbeat, and remembers the jobs that caused them.

    Any thread may use it.

    Args:
        monotonic: gives seconds that pass for all threads alike.
        computed: gives the seconds in which the calling thread computed.
    """

    def __init__(
        self, monotonic: Seconds = time.monotonic, computed: Seconds = time.thread_time
    ) -> None:
        self._monotonic = monotonic
        self._computed = computed
        self._lock = threading.Lock()
        self._had_turn_at = monotonic()
        self._ended = 0
        self._explained = 0
        self._jobs: set[int] = set()

    def had_turn(self) -> None:
        """Note that the heartbeat's thread has its turn, whatever becomes of the heartbeat."""
        with self._lock:
            self._ended = self._so_far()
            self._had_turn_at = self._monotonic()

    @contextmanager
    def watching(self, job_id: int) -> Iterator[None]:
        """Find out whether the job's code in the block stalls the heartbeat."""
        with self._lock:
            before = self._so_far()
        began, computed_before = self._monotonic(), self._computed()
        try:
            yield
        finally:
            held = self._monotonic() - began
            if held >= STALLED_AFTER.total_seconds() * LEAST_HELD:
                computed = self._computed() - computed_before
                if computed >= held * LEAST_COMPUTED:
                    self._blame(job_id, before)

    def take(self, job_id: int) -> bool:
        """Return whether the job's code has stalled the heartbeat since this was asked last."""
        with self._lock:
            found = job_id in self._jobs
            self._jobs.discard(job_id)
            return found

    def _blame(self, job_id: int, before: int) -> None:
        with self._lock:
            # One stall has one cause: the block that ended first. The blocks around it, and those
            # of other threads, only waited for it.
            so_far = self._so_far()
            if so_far > max(before, self._explained):
                self._explained = so_far
                self._jobs.add(job_id)

    def _so_far(self) -> int:
        """Return the number of stalls, with the one that lasts now."""
        without_turn = self._monotonic() - self._had_turn_at
        return self._ended + (without_turn > STALLED_AFTER.total_seconds())
