"""Calls and outcomes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runtime.runs.calls import HttpCall, Outcome


@dataclass(frozen=True, slots=True)
class CallTicket:
    """Names one call of one run; returned with its outcome.

    Attributes:
        reply_to: name of the actor that asked.
    """

    reply_to: str
    job_id: int
    fence: int
    call_id: int


@dataclass(frozen=True, slots=True)
class CallSettled:
    """The outcome of a call, to the actor that asked."""

    ticket: CallTicket
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class CallsReleased:
    """Calls that wait may leave now; marketplace actor to itself."""


@dataclass(frozen=True, slots=True)
class CancellationOverdue:
    """A cancelled run had its time for ``finally``; marketplace actor to itself."""

    job_id: int
    fence: int


@dataclass(frozen=True, slots=True)
class BrowserRequest:
    """A command for a seller's browser; marketplace actor to bridge.

    Attributes:
        request_id: unguessable, used once.
        repeated: the bridge may have had it before and forgotten; it must not be sent again
            to a browser that has no memory of it.
        not_after: a write must not leave later: whoever takes the job over looks from then on.
    """

    ticket: CallTicket
    request_id: str
    user_id: int
    action: str
    payload: dict[str, Any]
    timeout: timedelta
    writes: bool
    repeated: bool = False
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class BrowserRequestWithdrawn:
    """Nobody waits for the response any more."""

    request_id: str


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request for a marketplace's API; marketplace actor to HTTP actor."""

    ticket: CallTicket
    marketplace: str
    shop_id: int
    call: HttpCall
    timeout: timedelta
    not_after: datetime | None = None
