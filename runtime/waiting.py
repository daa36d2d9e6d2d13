"""Why a job is not running: a pure answer from facts."""

from dataclasses import dataclass
from datetime import UTC, datetime

from runtime.errors import not_connected_message
from runtime.states import JobStatus

NO_SERVICE = "no service is running: start `run.py serve`"
NEXT = "waiting for its turn"


@dataclass(frozen=True, slots=True)
class WaitingFacts:
    """What is known of a job and of those it depends on.

    Attributes:
        stored_reason: what the last run left as the reason.
        browser_bound: the seller's browser has to execute it.
        closed: what is closed on its way, in words.
    """

    status: JobStatus
    user_id: int
    run_at: datetime
    stored_reason: str | None
    now: datetime
    service_alive: bool
    seller_connected: bool
    browser_bound: bool
    closed: tuple[str, ...] = ()


def waiting_reason(facts: WaitingFacts) -> str | None:
    """What the job waits for; None where it waits for nothing.

    A seller who is away is named only for a job that is due: of one that is scheduled for
    later it would not be the reason.
    """
    if facts.status is JobStatus.PAUSED:
        return facts.stored_reason or "paused; it goes on when it is resumed"
    if facts.status is not JobStatus.PENDING:
        return None
    if not facts.service_alive:
        return NO_SERVICE
    if facts.run_at > facts.now:
        when = f"scheduled for {facts.run_at.astimezone(UTC).isoformat(timespec='seconds')}"
        return f"{facts.stored_reason} ({when})" if facts.stored_reason else when
    if facts.closed:
        return "; ".join(facts.closed)
    if facts.browser_bound and not facts.seller_connected:
        return not_connected_message(facts.user_id)
    return facts.stored_reason or NEXT
