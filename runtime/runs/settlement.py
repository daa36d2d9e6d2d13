"""Decides what is written about a job whose run ended; pure, without I/O.

Where the run failed, the table :data:`runtime.runs.failures.FAILURES` decides.
"""

import random
import traceback
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from runtime.errors import CallFailed, CannotTell, HandlerError, InputError, JobFailed
from runtime.errors.program import PROGRAM
from runtime.errors.safe_text import safe_str, storable
from runtime.runs.account_trouble import NO_WORDS, AccountTrouble, AccountWords, account_trouble
from runtime.runs.execution import Cancelled, CodeChanged, End, Failed, Finished, Snoozed, Undecided
from runtime.runs.failed_steps import failed_step, failed_steps
from runtime.runs.failures import FIRST_DELAY, Consequence, consequence_of
from runtime.runs.job import Job
from runtime.runs.job_states import JobEvent
from runtime.values.json_values import checked_json

LONGEST_DELAY = timedelta(minutes=10)
LONGEST_SNOOZE = timedelta(days=3650)
COOL_DOWN = timedelta(minutes=1)
MAX_POISONINGS = 5
"""A job fails whose code killed, hung or stalled its service more often than this."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The record of the end of one run of a job.

    Attributes:
        delay: for events that lead back to pending, the time until it may run again.
        keeps_age: whether the job keeps its age, because it waits for something other than a
            time. If not, its ``delay`` makes its new age, behind all jobs that fell due before.
        awaits_seller: whether the job waits for the seller's browser; if that is connected, the
            job only waits for the delay.
        trouble: the trouble for which the job's shop is to be closed, or None.
        ended_by: the steps whose failure ended the run; the next run does them again.
        stalled: whether the job's code stalled the node's heartbeat in this run. It counts as a
            poisoning where the end uses up no attempt and the run recorded no outcome.
    """

    job_id: int
    fence: int
    event: JobEvent
    result: Any = None
    error: str | None = None
    failed_step: str | None = None
    waiting_reason: str | None = None
    delay: timedelta = timedelta(0)
    keeps_age: bool = False
    awaits_seller: bool = False
    trouble: AccountTrouble | None = None
    ended_by: tuple[str, ...] = ()
    stalled: bool = False


def backoff(attempt: int, draw: float) -> timedelta:
    """Return the delay before a retry: exponential backoff with full jitter.

    Args:
        attempt: the number of attempts that were used up before, from 0.
        draw: a random number, uniform in [0, 1).

    Returns:
        A time between 0 and min(LONGEST_DELAY, FIRST_DELAY * 2 ** attempt).
    """
    # The exponent is bounded, because a job may have a thousand retries and a timedelta of
    # 2 ** 1000 seconds overflows.
    ceiling = min(LONGEST_DELAY, FIRST_DELAY * (1 << min(attempt, 20)))
    return ceiling * draw


def settlement_of(
    job: Job,
    end: End,
    now: datetime,
    random_draw: float | None = None,
    *,
    browser_bound: bool = False,
    words: AccountWords = NO_WORDS,
) -> Settlement:
    """Decide what the end of a run means for its job.

    Args:
        browser_bound: whether the seller's browser executes the jobs of this marketplace.
        words: the words by which the marketplace says that it has something against an account.
    """
    error = end.error if isinstance(end, Failed | Undecided) else None
    trouble = (
        None
        if error is None
        else account_trouble(
            error, job.marketplace, job.shop.id, browser_bound=browser_bound, words=words
        )
    )
    match end:
        case Finished(result):
            return _finished(job, result)
        case Snoozed(until, reason):
            delay = min(max(until - now, timedelta(0)), LONGEST_SNOOZE)
            return Settlement(
                job.id, job.fence, JobEvent.SNOOZE,
                delay=delay, waiting_reason=storable(reason) or None,
            )  # fmt: skip
        case Cancelled():
            return Settlement(job.id, job.fence, JobEvent.CANCEL)
        case CodeChanged(steps):
            return _paused(
                job,
                f"the handler's code changed: earlier runs recorded {_listed(steps)}, and this one "
                f"ended without asking for them; check what the job did, then "
                f"`{PROGRAM} jobs retry {job.id}` or `{PROGRAM} jobs cancel {job.id}`",
            )
        case Undecided(step, error):
            return _undecided(job, step, error, trouble, now, _draw(random_draw))
        case Failed(error):  # pragma: no branch - the type checker asks for every end
            settlement = _failed(job, error, trouble, now, _draw(random_draw))
            return replace(settlement, ended_by=failed_steps(error))


def _finished(job: Job, result: Any) -> Settlement:
    try:
        checked = checked_json(result, "the handler's result")
    except InputError as error:
        return Settlement(job.id, job.fence, JobEvent.FAIL, error=str(error))
    # A handler may also tell of a failure in its result, which must not count as done then.
    if isinstance(checked, dict) and checked.get("success") is False:
        message = str(checked.get("error") or "the handler returned success: false")
        return Settlement(job.id, job.fence, JobEvent.FAIL, result=checked, error=message)
    return Settlement(job.id, job.fence, JobEvent.COMPLETE, result=checked)


def _failed(
    job: Job, error: BaseException, trouble: AccountTrouble | None, now: datetime, draw: float
) -> Settlement:
    consequence = consequence_of(error, of_account=trouble is not None)
    step = failed_step(error)
    if step is not None:
        step = storable(step)
    if consequence.event is JobEvent.SNOOZE:
        trouble = trouble if consequence.closes_shop else None
        reason = consequence.reason or (error if trouble is None else trouble.reason)
        return Settlement(
            job.id, job.fence, JobEvent.SNOOZE,
            delay=_delay(consequence, error, now), keeps_age=consequence.keeps_age,
            awaits_seller=consequence.awaits_seller, failed_step=step, trouble=trouble,
            waiting_reason=storable(reason),
        )  # fmt: skip
    message = describe(error)
    if consequence.event is JobEvent.FAIL or job.retry_count >= job.max_retries:
        return Settlement(job.id, job.fence, JobEvent.FAIL, error=message, failed_step=step)
    return Settlement(
        job.id, job.fence, JobEvent.RETRY, error=message, failed_step=step,
        delay=backoff(job.retry_count, draw),
        waiting_reason=f"attempt {job.retry_count + 1} failed; it is tried again",
    )  # fmt: skip


def _undecided(
    job: Job,
    step: str,
    error: Exception | None,
    trouble: AccountTrouble | None,
    now: datetime,
    draw: float,
) -> Settlement:
    """Look again if the look failed for a passing reason; if not, a person has to look."""
    if error is not None and not isinstance(error, CannotTell):
        # The look itself failed, as any call may: its failure passes, and then it looks again.
        again = _failed(job, error, trouble, now, draw)
        if again.event is not JobEvent.FAIL:
            return replace(again, failed_step=storable(step))
    reason = "nobody can look" if error is None else safe_str(error)
    question = (
        f"did step {step!r} take effect on {job.marketplace}? It was sent and its outcome is not "
        f"known ({reason}). Look there, then `{PROGRAM} jobs resume {job.id} --step {step!r} "
        "--happened '{…its result…}'` or `--did-not-happen`"
    )
    return _paused(job, question, step)


def _paused(job: Job, reason: str, step: str | None = None) -> Settlement:
    return Settlement(
        job.id, job.fence, JobEvent.PAUSE,
        waiting_reason=storable(reason), failed_step=None if step is None else storable(step),
    )  # fmt: skip


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(repr(name) for name in names[:5]) + (" and more" if names[5:] else "")


def _delay(consequence: Consequence, error: BaseException, now: datetime) -> timedelta:
    if isinstance(consequence.delay, timedelta):
        return consequence.delay
    until = consequence.delay(error)
    return COOL_DOWN if until is None else max(until - now, timedelta(0))


def _draw(given: float | None) -> float:
    return random.random() if given is None else given  # noqa: S311 - it spreads load


def describe(error: BaseException) -> str:
    """Return the error's own words, or its traceback if nobody expects such an error."""
    # These messages are written for people, and a traceback would hide them.
    if isinstance(error, CallFailed | HandlerError | JobFailed | InputError):
        return storable(error)
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - an error's own __str__ may raise
        text = safe_str(error)
    return storable(text)
