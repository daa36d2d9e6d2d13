"""Errors of calls: the marketplace said no, nothing was sent, or the outcome is unknown."""

from datetime import UTC, datetime
from typing import Any

from runtime.errors.program import PROGRAM
from runtime.errors.root import MarketplaceRuntimeError


class CallFailed(MarketplaceRuntimeError):
    """A call did not succeed.

    Attributes:
        status: the HTTP status that the marketplace gave, or None.
        error_code: the machine-readable code that came with the answer, or None.
        writes: whether the call may change something at the marketplace.
        details: further JSON values of the marketplace about the failure, or None.
    """

    details: dict[str, Any] | None = None

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        error_code: str | None = None,
        writes: bool = False,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code
        self.writes = writes
        self.details = details


class CallRejected(CallFailed):
    """The marketplace, or the browser plugin, answered and said no.

    Attributes:
        retry_at: the time from which on the call may be tried again, where there were too many
            calls; None if this is not known.
        lane_closed: no jobs are claimed for the job's lane until then.
    """

    # The limits of the marketplace tell these two afterwards; an error from the journal has none.
    retry_at: datetime | None = None
    lane_closed: bool = False


class NotSent(CallFailed):
    """The call never left this machine, so it surely took no effect."""


class SellerNotConnected(NotSent):
    """No browser of the seller is connected to the bridge."""

    def __init__(self, user_id: int) -> None:
        super().__init__(not_connected_message(user_id), error_code="not_connected")
        self.user_id = user_id


class BrowserNotReady(NotSent):
    """The seller's page is connected and said that it could not begin with the command."""


class HeldUp(NotSent):
    """The process was held up for so long that another may own the job; nothing was sent."""


class BudgetClosed(NotSent):
    """A scope of the rate limits is closed for so long that the job is handed back.

    Attributes:
        until: the time when the scope opens; None if it stays closed until it is resumed.
        holds_lanes: whether the lanes below the scope are closed for the same time.
    """

    def __init__(
        self, scope: str, reason: str, until: datetime | None, *, holds_lanes: bool
    ) -> None:
        when = "until it is resumed" if until is None else f"until {_to_the_second(until)}"
        super().__init__(f"budget {scope!r} is closed {when}: {reason}", error_code="budget_closed")
        self.until = until
        self.holds_lanes = holds_lanes


class NotAuthorized(NotSent):
    """The marketplace does not let us act for the shop until its seller consents again."""

    def __init__(self, shop_id: int, marketplace: str, reason: str) -> None:
        super().__init__(
            f"shop {shop_id} is not authorized ({reason}): its seller has to consent again "
            f"(`{PROGRAM} shops connect {marketplace}`)",
            error_code="needs_auth",
        )
        self.shop_id = shop_id


class OutcomeUnknown(CallFailed):
    """The call may or may not have taken effect."""


class CallTimeout(OutcomeUnknown):
    """No answer came in time."""


class ConnectionLost(OutcomeUnknown):
    """The connection broke before the answer came."""


class DidNotHappen(CallFailed):
    """The outcome was unknown; a look at the marketplace showed that nothing happened."""


def _to_the_second(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="seconds")


def not_connected_message(user_id: int) -> str:
    """Return the message that an application sees of a job whose seller is away."""
    # Operators know these words from the former system.
    return f"User {user_id} not connected via WebSocket"
