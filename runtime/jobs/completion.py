"""Waits until a job or a batch is over."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from sqlalchemy.orm import Session

from runtime.errors import InputError, JobNotFound, WaitTimeout
from runtime.runs.job_states import FINAL
from runtime.storage.models import MarketplaceJob
from runtime.storage.queue.job_rows import job_by_id
from runtime.storage.server.session_errors import application_errors

# The pauses grow, because a short job should be noticed at once, while a caller that waits for a
# job of an hour should not ask the database fifty times a second.
FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.25
GROWTH = 1.5

T = TypeVar("T")

Look = Callable[[MarketplaceJob], None]
"""Is called with the job after each look at it."""


def wait_until_over(
    read: Callable[[], MarketplaceJob],
    timeout: timedelta | None,
    look: Look | None = None,
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> MarketplaceJob:
    """Read the job, at growing intervals, until its status is final.

    Raises:
        WaitTimeout: the job was not over in time.
    """
    job = watch(read, lambda job: job.status in FINAL, timeout, look, now=now, sleep=sleep)
    if timeout is not None and job.status not in FINAL:
        raise WaitTimeout(f"job {job.id}", job.status, timeout, f"jobs show {job.id}")
    return job


def watch(
    read: Callable[[], T],
    over: Callable[[T], bool],
    timeout: timedelta | None,
    look: Callable[[T], None] | None = None,
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Read a thing, at growing intervals, until it or the time is over; returns the last state."""
    end = None if timeout is None else now() + timeout.total_seconds()
    pause = FIRST_PAUSE
    while True:
        # One look is taken even if there is no time at all, so a timeout of 0 asks for the present
        # state.
        value = read()
        if look is not None:
            look(value)
        left = pause if end is None else min(pause, end - now())
        if over(value) or left <= 0:
            return value
        sleep(left)
        pause = min(pause * GROWTH, LONGEST_PAUSE)


def snapshot_reader(session: Session, job_id: int) -> Callable[[], MarketplaceJob]:
    """Return a function that reads a committed job, each time on a short connection of its own.

    The session's own transaction does not serve: its snapshot may be too old to show the end of
    the job, and it would hold a connection during the whole wait.
    """
    engine = session.get_bind().engine

    def read() -> MarketplaceJob:
        # The job stays readable after its session is closed.
        with application_errors(), Session(engine, expire_on_commit=False) as own:
            job = job_by_id(own, job_id)
        if job is not None:
            return job
        # A job that only the caller's own transaction sees would never end.
        if session.in_transaction() and job_by_id(session, job_id) is not None:
            raise InputError(f"job {job_id} is not committed yet: commit, then wait for it")
        raise JobNotFound(job_id)

    return read


def as_timeout(value: timedelta | float | None) -> timedelta | None:
    """Accept a timedelta or a number of seconds.

    Raises:
        InputError: the value is negative, or no duration.
    """
    if value is None:
        return None
    # In Python True is an int, and would be a timeout of one second.
    if isinstance(value, bool) or not isinstance(value, timedelta | int | float):
        raise InputError(f"timeout must be a timedelta or seconds, not {value!r}")
    duration = value if isinstance(value, timedelta) else timedelta(seconds=value)
    if duration < timedelta(0):
        raise InputError(f"timeout must not be negative, but it is {value!r}")
    return duration
