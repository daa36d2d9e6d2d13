"""Tells when a waiting job is expected to start, and how a job that ran spent its time. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runtime.runs.job_states import FINAL, JobStatus
from runtime.waiting.obstacles import Obstacle, WaitingFacts, obstacles


@dataclass(frozen=True, slots=True)
class Expectation:
    """The time at which a job is expected to start.

    Attributes:
        start: the time, or None if nobody can tell it. No time is better than a wrong one.
        because: the reason why nobody can tell it, or None.
    """

    start: datetime | None
    because: str | None = None

    def __str__(self) -> str:
        """Return the expectation as an operator reads it."""
        if self.start is None:
            return f"unknown, because {self.because}"
        return self.start.isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Spent:
    """A part of a job's time.

    Attributes:
        what: a step, or a name for the time outside of steps.
        duration: the time that it took; if it goes on, the time until now.
        ended: whether it is over.
    """

    what: str
    began: datetime
    duration: timedelta
    ended: bool = True


@dataclass(frozen=True, slots=True)
class StepTimes:
    """The times at which a step began and ended; ``ended`` is None while it goes on."""

    name: str
    status: str
    began: datetime
    ended: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The past of a job."""

    now: datetime
    due_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    steps: Sequence[StepTimes] = ()


def expected_start(facts: WaitingFacts, found: Sequence[Obstacle] | None = None) -> Expectation:
    """Return when a pending job starts, if nothing more urgent comes and nobody does anything.

    Only closures and times have a known end; any other obstacle leaves the start open.
    """
    found = obstacles(facts) if found is None else found
    if facts.status in FINAL or facts.status is JobStatus.RUNNING:
        return Expectation(None, f"it is {facts.status.value}")
    start = facts.now
    for obstacle in found:
        if obstacle.until is None:
            return Expectation(None, obstacle.text)
        start = max(start, obstacle.until)
    return Expectation(start)


def time_spent(history: History) -> tuple[Spent, ...]:
    """Return the parts of a job's time: before it started, in each step, and between the steps."""
    over = history.completed_at or history.now
    if history.started_at is None:
        # A job that was cancelled before it fell due has waited for nothing.
        waited = max(over - history.due_at, timedelta(0))
        return (Spent("waited to start", history.due_at, waited, history.completed_at is not None),)
    parts = [
        Spent(
            "waited to start",
            history.due_at,
            max(history.started_at - history.due_at, timedelta(0)),
        )
    ]
    for step in history.steps:
        took = max((step.ended or over) - step.began, timedelta(0))
        what = f"step {step.name} ({step.status})"
        parts.append(Spent(what, step.began, took, step.ended is not None))
    between = _uncovered(history.started_at, over, history.steps)
    ended = history.completed_at is not None
    parts.append(Spent("between its steps", history.started_at, between, ended))
    return tuple(parts)


def _uncovered(start: datetime, end: datetime, steps: Sequence[StepTimes]) -> timedelta:
    """Return how much of the time from start to end no step covers."""
    # Steps may overlap, because a handler may gather them; so their durations cannot be summed up.
    covered_to, uncovered = start, timedelta(0)
    for step in sorted(steps, key=lambda one: one.began):
        uncovered += max(min(step.began, end) - covered_to, timedelta(0))
        covered_to = max(covered_to, min(step.ended or end, end))
    return uncovered + max(end - covered_to, timedelta(0))
