"""From how a run ended to its settlement, alike whoever carried the run out. Pure.

What an end means for the job is decided by :func:`runtime.runs.settlement.settlement_of`; here
stands what every engine does around that.
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
"""After this time a job that waits for a seller is tried again where nobody says who came back."""


def read_end(
    job: Job, decide: Callable[[], Settlement], complain: Callable[[Exception], None]
) -> Settlement:
    """The settlement that an end leads to; a failed job where the end cannot be read.

    Args:
        decide: looks at the end. A handler's result or error may raise wherever it is looked at.
        complain: told of what it raised.
    """
    try:
        return decide()
    except Exception as error:  # noqa: BLE001 - an object of a handler may raise anything
        complain(error)
        text = f"the handler's {type(error).__name__} cannot be read"
        return Settlement(job.id, job.fence, JobEvent.FAIL, error=text)


def released(job: Job) -> Settlement:
    """The run is left where it stands, and its journal tells the next one how far it came.

    The database makes the job paused if a pause was asked for and not withdrawn meanwhile.
    """
    return Settlement(job.id, job.fence, JobEvent.RELEASE)


def cannot_go_on(error: Exception) -> Failed:
    """What a handler yielded or raised raised an error itself when an engine looked at it."""
    return Failed(HandlerError(f"the run cannot go on: {type(error).__name__}"))


def cannot_be_stored(reason: object) -> Failed:
    """The database does not accept what a run ended with."""
    return Failed(JobFailed(f"the result cannot be stored: {reason}"))


def looks_again(settlement: Settlement) -> Settlement:
    """Of a job that waits for its seller, where nobody says when that seller comes back."""
    if not settlement.awaits_seller:
        return settlement
    return replace(settlement, delay=SELLER_DELAY, keeps_place=False)
