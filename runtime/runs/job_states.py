"""The statuses of a job, the events that can happen to it, and the one table of transitions.

Python asks :func:`after`, which raises. The statuses of :func:`sources` stand in the ``WHERE`` of
every statement that changes a status, so that an illegal transition matches no row, even if the job
has changed since somebody looked.
"""

from enum import StrEnum

from runtime.errors import IllegalTransition


class JobStatus(StrEnum):
    """The status of a job."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class JobEvent(StrEnum):
    """An event that can happen to a job."""

    CLAIM = "claim"
    COMPLETE = "complete"
    FAIL = "fail"
    RETRY = "retry"
    SNOOZE = "snooze"
    HAND_BACK = "hand_back"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    EXPIRE = "expire"
    REQUEUE = "requeue"


FINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.EXPIRED})
"""The statuses in which a job is over. Only a person's ``requeue`` leads out of them."""

TRANSITIONS: dict[JobEvent, dict[JobStatus, JobStatus]] = {
    JobEvent.CLAIM: {JobStatus.PENDING: JobStatus.RUNNING},
    JobEvent.COMPLETE: {JobStatus.RUNNING: JobStatus.COMPLETED},
    JobEvent.FAIL: {JobStatus.RUNNING: JobStatus.FAILED},
    # Three events lead back to pending. A retry uses up an attempt; a snooze and a handing back use
    # up none.
    JobEvent.RETRY: {JobStatus.RUNNING: JobStatus.PENDING},
    JobEvent.SNOOZE: {JobStatus.RUNNING: JobStatus.PENDING},
    JobEvent.HAND_BACK: {JobStatus.RUNNING: JobStatus.PENDING},
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
    # A paused job waits for a person, and does not expire meanwhile.
    JobEvent.EXPIRE: {JobStatus.PENDING: JobStatus.EXPIRED},
    JobEvent.REQUEUE: {
        JobStatus.PAUSED: JobStatus.PENDING,
        JobStatus.FAILED: JobStatus.PENDING,
        JobStatus.CANCELLED: JobStatus.PENDING,
        JobStatus.EXPIRED: JobStatus.PENDING,
    },
}


def after(status: JobStatus, event: JobEvent) -> JobStatus:
    """Return the status that follows an event.

    Raises:
        IllegalTransition: the event cannot happen to a job in that status.
    """
    try:
        return TRANSITIONS[event][status]
    except KeyError:
        allowed = sorted(TRANSITIONS[event])
        raise IllegalTransition(status.value, event.value, allowed) from None


def sources(event: JobEvent) -> list[str]:
    """Return the statuses in which the event may happen, for a statement's ``WHERE``."""
    return [status.value for status in TRANSITIONS[event]]


def target(event: JobEvent) -> JobStatus:
    """Return the status to which the event leads; each event has exactly one."""
    # The unpacking fails if the table gives an event two targets.
    (status,) = set(TRANSITIONS[event].values())
    return status
