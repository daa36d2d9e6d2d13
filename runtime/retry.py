"""What becomes of a run that ended: pure decisions, no I/O.

The one table of failures (design: *Failure, sorted*) is :func:`settlement_of`.
"""

import random
import traceback
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runtime.errors import (
    CallRejected,
    DatabaseUnavailable,
    HandlerError,
    InputError,
    JobFailed,
    OutcomeUnknown,
    SellerNotConnected,
)
from runtime.execution import Cancelled, End, Failed, Finished, Snoozed
from runtime.handler import failed_step
from runtime.job import Job
from runtime.json_values import checked_json
from runtime.states import JobEvent

FIRST_DELAY = timedelta(seconds=2)
LONGEST_DELAY = timedelta(minutes=10)
MESSAGE_LIMIT = 4_000
TOO_MANY_REQUESTS = 429
COOL_DOWN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Settlement:
    """How one run of a job is to be written down.

    Attributes:
        delay: for events that lead back to pending, the time until it may run again.
        awaits_seller: the job waits for the seller's browser, not for a time.
    """

    job_id: int
    fence: int
    event: JobEvent
    result: Any = None
    error: str | None = None
    failed_step: str | None = None
    waiting_reason: str | None = None
    delay: timedelta = timedelta(0)
    awaits_seller: bool = False


def backoff(attempt: int, draw: float) -> timedelta:
    """Exponential backoff with full jitter.

    Args:
        attempt: how many attempts were used up before, from 0.
        draw: uniform in [0, 1).

    Returns:
        Between 0 and min(LONGEST_DELAY, FIRST_DELAY * 2 ** attempt).
    """
    ceiling = min(LONGEST_DELAY, FIRST_DELAY * (1 << min(attempt, 20)))
    return ceiling * draw


def settlement_of(
    job: Job, end: End, now: datetime, random_draw: float | None = None
) -> Settlement:
    """Decide what the end of a run means for its job."""
    match end:
        case Finished(result):
            return _finished(job, result)
        case Snoozed(until, reason):
            return Settlement(
                job.id, job.fence, JobEvent.SNOOZE,
                delay=max(until - now, timedelta(0)), waiting_reason=storable(reason) or None,
            )  # fmt: skip
        case Cancelled():
            return Settlement(job.id, job.fence, JobEvent.CANCEL)
        case Failed(error):
            draw = random.random() if random_draw is None else random_draw  # noqa: S311
            return _failed(job, error, draw)


def _finished(job: Job, result: Any) -> Settlement:
    try:
        checked = checked_json(result, "the handler's result")
    except InputError as error:
        return Settlement(job.id, job.fence, JobEvent.FAIL, error=str(error))
    if isinstance(checked, dict) and checked.get("success") is False:
        message = str(checked.get("error") or "the handler returned success: false")
        return Settlement(job.id, job.fence, JobEvent.FAIL, result=checked, error=message)
    return Settlement(job.id, job.fence, JobEvent.COMPLETE, result=checked)


def _failed(job: Job, error: BaseException, draw: float) -> Settlement:
    message = describe(error)
    step = failed_step(error)
    if step is not None:
        step = storable(step)
    if isinstance(error, SellerNotConnected):
        return Settlement(
            job.id, job.fence, JobEvent.SNOOZE,
            waiting_reason=storable(error), failed_step=step, awaits_seller=True,
        )  # fmt: skip
    if isinstance(error, OutcomeUnknown) and error.writes:
        return Settlement(
            job.id, job.fence, JobEvent.PAUSE, error=message, failed_step=step,
            waiting_reason=(
                f"it is not known whether the marketplace carried it out: {storable(error)}; look "
                f"there, then `run.py jobs retry {job.id}` or `run.py jobs cancel {job.id}`"
            ),
        )  # fmt: skip
    if isinstance(error, CallRejected) and error.status == TOO_MANY_REQUESTS:
        return Settlement(
            job.id, job.fence, JobEvent.SNOOZE,
            delay=COOL_DOWN, waiting_reason=storable(error), failed_step=step,
        )  # fmt: skip
    if isinstance(error, DatabaseUnavailable):
        return Settlement(
            job.id, job.fence, JobEvent.SNOOZE,
            delay=FIRST_DELAY, waiting_reason="the database was away", failed_step=step,
        )  # fmt: skip
    if _is_final(error) or job.retry_count >= job.max_retries:
        return Settlement(job.id, job.fence, JobEvent.FAIL, error=message, failed_step=step)
    delay = backoff(job.retry_count, draw)
    return Settlement(
        job.id, job.fence, JobEvent.RETRY, error=message, failed_step=step, delay=delay,
        waiting_reason=f"attempt {job.retry_count + 1} failed; it is tried again",
    )  # fmt: skip


def _is_final(error: BaseException) -> bool:
    if isinstance(error, CallRejected):
        if error.status is None:
            return error.writes
        return error.status < 500
    return isinstance(error, HandlerError | JobFailed)


def describe(error: BaseException) -> str:
    """The error's own words; with the traceback where it is nobody's expected failure."""
    if isinstance(error, CallRejected | OutcomeUnknown | HandlerError | JobFailed | InputError):
        text = str(error)
    else:
        text = "".join(traceback.format_exception(error))
    return storable(text)


def storable(text: object) -> str:
    """The text as PostgreSQL takes it; of a long one, the end."""
    return str(text).replace("\0", "\\0")[-MESSAGE_LIMIT:].encode(errors="replace").decode()
