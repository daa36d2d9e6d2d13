"""Marks the job for which an actor works, for those who look at the actor from outside."""

from collections.abc import Iterator
from contextlib import contextmanager

from actors.pulse import Pulse
from runtime.process.crash_marker import CrashMarker


class JobCode:
    """Shows for which job an actor works, in its pulse and in the marker of its node.

    Work for a job is more than the handler's coroutine: it is also what looks at the values that
    the handler gave, such as the record of a request. A hostile value costs its time there.
    """

    def __init__(self, pulse: Pulse, marker: CrashMarker) -> None:
        self._pulse = pulse
        self._marker = marker

    @contextmanager
    def of(self, job_id: int) -> Iterator[None]:
        """Work for a job in the block, which may stand within the block of another job."""
        outer, self._pulse.job_id = self._pulse.job_id, job_id
        try:
            with self._marker.running(job_id):
                yield
        finally:
            self._pulse.job_id = outer

    def has_stalled(self, job_id: int) -> bool:
        """Return whether work for the job has stalled the heartbeat since this was asked last."""
        return self._marker.has_stalled(job_id)
