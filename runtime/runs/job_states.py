"""Every status a job can have, every event that can happen to it, and what follows.

The one table of transitions. Python asks :func:`after`, which raises; the database asks
:func:`sources`, whose statuses stand in the ``WHERE`` of every statement that changes a
status, so that an illegal transition matches no row.
"""

from enum import StrEnum

from runtime.errors import IllegalTransition


class JobStatus(StrEnum):
    """Where a job stands."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class JobEvent(StrEnum):
    """What can happen to a job."""

    CLAIM = "claim"
    COMPLETE = "complete"
    FAIL = "fail"
    RETRY = "retry"
    SNOOZE = "snooze"
    RELEASE = "release"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    EXPIRE = "expire"
    REQUEUE = "requeue"


FINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.EXPIRED})
"""Statuses in which a job is over. Only ``requeue``, a person's doing, leaves them."""

TRANSITIONS: dict[JobEvent, dict[JobStatus, JobStatus]] = {
    JobEvent.CLAIM: {JobStatus.PENDING: JobStatus.RUNNING},
    JobEvent.COMPLETE: {JobStatus.RUNNING: JobStatus.COMPLETED},
    JobEvent.FAIL: {JobStatus.RUNNING: JobStatus.FAILED},
    JobEvent.RETRY: {JobStatus.RUNNING: JobStatus.PENDING},
    JobEvent.SNOOZE: {JobStatus.RUNNING: JobStatus.PENDING},
    JobEvent.RELEASE: {JobStatus.RUNNING: JobStatus.PENDING},
    JobEvent.PAUSE: {
        JobStatus.PENDING: JobStatus.PAUSED,
        JobStatus.RUNNING: JobStatus.PAUSED,
    },
    JobEvent.RESUME: {JobStatus.PAUSED: JobStatus.PENDING},
    JobEvent.CANCEL: {
        JobStatus.PENDING: JobStatus.CANCELLED,
        JobStatus.PAUSED: JobStatus.CANCELLED,
        JobStatus.RUNNING: JobStatus.CANCELLED,
    },
    JobEvent.EXPIRE: {JobStatus.PENDING: JobStatus.EXPIRED},
    JobEvent.REQUEUE: {
        JobStatus.PAUSED: JobStatus.PENDING,
        JobStatus.FAILED: JobStatus.PENDING,
        JobStatus.CANCELLED: JobStatus.PENDING,
        JobStatus.EXPIRED: JobStatus.PENDING,
    },
}


def after(status: JobStatus, event: JobEvent) -> JobStatus:
    """The status that follows.

    Raises:
        IllegalTransition: the event cannot happen to a job in that status.
    """
    try:
        return TRANSITIONS[event][status]
    except KeyError:
        allowed = sorted(TRANSITIONS[event])
        raise IllegalTransition(status.value, event.value, allowed) from None


def sources(event: JobEvent) -> list[str]:
    """The statuses in which the event may happen, for a statement's ``WHERE``."""
    return [status.value for status in TRANSITIONS[event]]


def target(event: JobEvent) -> JobStatus:
    """The status that the event leads to; each event has exactly one."""
    (status,) = set(TRANSITIONS[event].values())
    return status
