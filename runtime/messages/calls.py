"""Messages that carry calls and their outcomes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runtime.runs.calls import HttpCall, Outcome


@dataclass(frozen=True, slots=True)
class CallTicket:
    """Names one call of one run, and comes back with the outcome of the call.

    Attributes:
        reply_to: the name of the actor that asked.
    """

    reply_to: str
    job_id: int
    fence: int
    # The fence tells an outcome that belongs to an earlier run of the same job, so that it is
    # dropped; the id tells the calls of one run apart.
    call_id: int


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A call has this outcome; the actor that asked gets it."""

    ticket: CallTicket
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class CallsReleased:
    """Calls that waited may leave now; a marketplace actor tells itself."""


@dataclass(frozen=True, slots=True)
class CancellationOverdue:
    """A cancelled run has had its time for ``finally``; a marketplace actor tells itself."""

    job_id: int
    fence: int


@dataclass(frozen=True, slots=True)
class BrowserCommand:
    """A marketplace actor gives the bridge a command for a seller's browser.

    Attributes:
        request_id: an id that nobody can guess, and that is used once.
        repeated: whether the bridge may have had the command before and forgotten it; then it
            must not go to a browser that has no memory of it.
        not_after: a write must not leave later, because after this time another node may take
            the job over and look whether the write happened.
    """

    ticket: CallTicket
    request_id: str
    user_id: int
    action: str
    payload: dict[str, Any]
    timeout: timedelta
    # A duration and not a time: it begins when the bridge has the command, and not while the
    # message waits in the mailbox.
    writes: bool
    repeated: bool = False
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class BrowserCommandWithdrawn:
    """Nobody waits for the response to a command any more."""

    request_id: str


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A marketplace actor gives the HTTP actor a request for a marketplace's API."""

    ticket: CallTicket
    marketplace: str
    shop_id: int
    call: HttpCall
    timeout: timedelta
    # For a write only: a read that leaves too late does no harm.
    not_after: datetime | None = None
