"""Runs that are to stop before they end by themselves: cancelled, or paused."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from actors.lane_run import LaneRun
from runtime import messages
from runtime.process.clock import Clock
from runtime.runs.endings import released
from runtime.runs.execution import Cancelled, Effect, End
from runtime.runs.settlement import Settlement

Advance = Callable[[], Sequence[Effect]]


class Interruptions:
    """Ends runs at their next call, once what has left is answered.

    Args:
        actor: name of the marketplace actor.
        runs: by job id.
        step: advances a run's coroutine.
        end: ends a run.
        settle: writes down how a run ended.
        withdraw: takes calls of a run back.
    """

    def __init__(
        self,
        actor: str,
        clock: Clock,
        log: Any,
        runs: Mapping[int, LaneRun],
        step: Callable[[LaneRun, Advance], None],
        end: Callable[[LaneRun, End], None],
        settle: Callable[[LaneRun, Settlement], None],
        withdraw: Callable[[LaneRun, Iterable[int]], None],
    ) -> None:
        self._actor = actor
        self._clock = clock
        self._log = log
        self._runs = runs
        self._step = step
        self._end = end
        self._settle = settle
        self._withdraw = withdraw

    def cancel(self, job_id: int) -> None:
        """Throw ``JobCancelled`` in; it wins over a pause."""
        run = self._runs.get(job_id)
        if run is not None and run.settlement is None:
            self._log.info("cancelling", **run.job.log_context)
            self._step(run, run.cancel)

    def overdue(self, job_id: int, fence: int) -> None:
        """A cancelled run had its time for ``finally``."""
        run = self._runs.get(job_id)
        if run is None or run.job.fence != fence or run.settlement is not None:
            return
        run.execution.drop()
        self._end(run, Cancelled())

    def pause(self, job_id: int) -> None:
        """Leave the run where it stands, with nothing thrown in and its journal complete."""
        run = self._runs.get(job_id)
        if run is None or run.settlement is not None or run.is_interrupted:
            return
        self._log.info("pausing", **run.job.log_context)
        self._withdraw(run, run.pause())
        self.stepped(run)

    def stepped(self, run: LaneRun) -> None:
        """The run went on, or has to."""
        if run.is_parked:
            run.execution.drop()
            self._settle(run, released(run.job))
        elif run.is_unwinding and run.overdue is None:
            overdue = messages.CancellationOverdue(run.job.id, run.job.fence)
            due = self._clock.now() + run.job.timeout
            run.overdue = self._clock.call_at(due, self._actor, overdue)
