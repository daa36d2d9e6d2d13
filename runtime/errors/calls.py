"""A call came back without the answer that was hoped for."""

from datetime import UTC, datetime
from typing import Any

from runtime.errors.program import PROGRAM
from runtime.errors.root import MarketplaceRuntimeError


class CallFailed(MarketplaceRuntimeError):
    """A call came back without the answer that was hoped for.

    Attributes:
        status: the HTTP status that the marketplace gave, or None.
        error_code: the machine-readable code that came with it, or None.
        writes: whether the call was one that may change something outside.
        details: what else the marketplace said of it, as JSON values; or None.
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
        retry_at: when it may be tried again, where there were too many; None: not known.
        lane_closed: until then the lane of the job is not asked for jobs.
    """

    retry_at: datetime | None = None
    lane_closed: bool = False


class NotSent(CallFailed):
    """The call never left: it surely did not happen."""


class SellerNotConnected(NotSent):
    """No browser of the seller is connected to the bridge."""

    def __init__(self, user_id: int) -> None:
        super().__init__(not_connected_message(user_id), error_code="not_connected")
        self.user_id = user_id


class BrowserNotReady(NotSent):
    """The seller's page is connected and said that it could not begin with the command."""


class HeldUp(NotSent):
    """The scope was held up, so that another may have taken the job over; nothing left."""


class BudgetClosed(NotSent):
    """No call goes through a scope of the budgets for so long that the job had better wait.

    Attributes:
        until: when it opens; None: when somebody opens it.
        holds_lanes: the lanes below it are closed, and open again with it.
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
    """No answer in time."""


class ConnectionLost(OutcomeUnknown):
    """The connection broke before the answer came."""


class DidNotHappen(CallFailed):
    """The outcome was unknown; a look at the marketplace showed that nothing happened."""


def _to_the_second(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="seconds")


def not_connected_message(user_id: int) -> str:
    """Return the message that an application sees of a job whose seller is away."""
    return f"User {user_id} not connected via WebSocket"
