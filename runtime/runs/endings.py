"""Leads from the end of a run to its settlement, alike in both runners. Pure.

:func:`runtime.runs.settlement.settlement_of` decides what an end means for the job. This module
holds what each runner does around that decision.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from runtime.errors import HandlerError, JobFailed
from runtime.runs.execution import Failed
from runtime.runs.job import Job
from runtime.runs.job_states import JobEvent
from runtime.runs.settlement import Settlement

SELLER_DELAY = timedelta(seconds=30)
"""The time after which a job that waits for its seller is tried again, if nobody tells the runner
that the seller came back."""


def read_end(
    job: Job, decide: Callable[[], Settlement], complain: Callable[[Exception], None]
) -> Settlement:
    """Return the settlement that an end leads to; the job fails if the end cannot be read.

    Args:
        decide: looks at the end. A handler's result or error may raise wherever it is looked at.
        complain: is told of the error that ``decide`` raised.
    """
    try:
        return decide()
    except Exception as error:  # noqa: BLE001 - an object of a handler may raise anything
        complain(error)
        text = f"the handler's {type(error).__name__} cannot be read"
        return Settlement(job.id, job.fence, JobEvent.FAIL, error=text)


def handed_back(job: Job) -> Settlement:
    """Return the settlement of a run that is left where it stands; its journal is complete.

    The database makes the job paused if a pause was asked for and not withdrawn meanwhile.
    """
    return Settlement(job.id, job.fence, JobEvent.HAND_BACK)


def cannot_go_on(error: Exception) -> Failed:
    """Return the end of a run whose handler yielded or raised an object that cannot be read."""
    return Failed(HandlerError(f"the run cannot go on: {type(error).__name__}"))


def cannot_be_stored(reason: object) -> Failed:
    """Return the end of a run whose result or error the database does not accept."""
    return Failed(JobFailed(f"the result cannot be stored: {reason}"))


def looks_again(settlement: Settlement) -> Settlement:
    """Return the settlement for a runner that is not told when the job's seller comes back."""
    # With a new time the job waits behind others. Where the runner is told that the seller came
    # back, the job keeps its age.
    if not settlement.awaits_seller:
        return settlement
    return replace(settlement, delay=SELLER_DELAY, keeps_age=False)
