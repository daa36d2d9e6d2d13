"""The one tree of errors.

- MarketplaceRuntimeError
    - ConfigurationError: the service cannot start as it is set up
        - DataDirectoryError
        - PortInUse
        - DatabaseUnavailable: also while running, when the server is away
        - DatabaseNotMigrated
        - DatabaseConflict: the database holds something else under our name
        - CredentialsUnreadable: no key fits a shop's credentials
    - InputError (also a ValueError): what the caller gave cannot be used
        - ActionTypeNotFound
        - ShopNotFound, ShopRequired
        - JobNotFound
        - ProductNotFound
        - InvalidJson
        - InvalidProduct
        - DatabaseRefused
        - IllegalTransition
        - IdempotencyConflict
        - ConsentRefused: the seller, or the marketplace, did not let us act for a shop
            - ConsentDeclined: the seller, or the marketplace, said no to our question
        - ProductBusy
        - AlreadyPublished
        - BatchNotFound, ProductsNotFound
        - ScheduleNotFound, ScheduleExists
    - TokenError: who connects is not who it says
    - WaitTimeout (also a TimeoutError)
    - CallFailed: a call came back without the answer that was hoped for
        - CallRejected: the other side said no
        - NotSent: nothing left this machine
            - SellerNotConnected
            - BrowserNotReady
            - HeldUp: it was too late for it to leave
            - BudgetClosed: no call goes through a node of the budgets for now
            - NotAuthorized: the seller has to let us act for the shop again
        - OutcomeUnknown: it may or may not have happened
            - CallTimeout
            - ConnectionLost
        - DidNotHappen: it was looked up, and it surely did not
    - StepFailed: a recorded failure of a class that is not ours
    - CannotTell: a handler's verdict that a look at the marketplace does not answer
    - HandlerError: the handler's own code is wrong; trying again cannot help
        - UnknownHandler, ForeignAwait, DuplicateStepName, InvalidCall
    - FenceLost: another run owns the job now
    - JobFailed: a handler's verdict that the job cannot succeed
        - ImageRefused
    - NeedsUser: a handler's verdict that a person has to act before the shop can be used

Control flow, not failures: :class:`Snooze` and :class:`JobCancelled`.

Errors of libraries are mapped into this tree once, where they enter. A message names the
thing and the way out.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from runtime.closures import Node
from runtime.storable import safe_repr


class MarketplaceRuntimeError(Exception):
    """Anything this project raises on purpose."""


class ConfigurationError(MarketplaceRuntimeError):
    """The service cannot start, or go on, as it is set up."""


class DataDirectoryError(ConfigurationError):
    """The data directory cannot be used."""


class PortInUse(ConfigurationError):
    """Another process listens where the bridge should."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"port {port} on {host} is already taken: stop the program that listens there, "
            "or set RUNTIME_BRIDGE_PORT to a free one"
        )


class DatabaseUnavailable(ConfigurationError):
    """PostgreSQL cannot be reached, or went away."""


class DatabaseNotMigrated(ConfigurationError):
    """The tables are not there, or are of another version."""


class DatabaseConflict(ConfigurationError):
    """The database holds something else where this project keeps its own."""


class LockHeld(DatabaseUnavailable):
    """Another transaction holds what was to be changed; nothing was changed."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(
            f"{what} is locked by another transaction for more than {seconds:g} s: "
            "end that transaction, then try again"
        )


class CredentialsUnreadable(ConfigurationError):
    """A shop's credentials were encrypted with a key that is not there any more."""

    def __init__(self, shop_id: int) -> None:
        super().__init__(
            f"the credentials of shop {shop_id} cannot be decrypted: put the key that encrypted "
            "them back into RUNTIME_ENCRYPTION_KEYS, or connect the shop again "
            "(`run.py shops connect`)"
        )


class InputError(MarketplaceRuntimeError, ValueError):
    """What the caller gave cannot be used; nothing was changed."""


class ActionTypeNotFound(InputError):
    """No such (marketplace, action) in ``public.marketplace_action_types``."""

    def __init__(self, marketplace: str, action: str, known: Sequence[str]) -> None:
        if known:
            way_out = f"known for {marketplace}: {', '.join(known)}"
        else:
            way_out = (
                f"the marketplace {marketplace!r} has none: check its name, or install its "
                "handler plugin; if the table is empty, run `run.py migrate`"
            )
        super().__init__(f"Action type not found: {action!r} on {marketplace!r}; {way_out}")


class ShopNotFound(InputError):
    """No such shop."""


class ShopRequired(InputError):
    """The shop was left out and cannot be told from what is there."""


class JobNotFound(InputError, LookupError):
    """No such job."""

    def __init__(self, job_id: int) -> None:
        super().__init__(f"job {job_id} does not exist; `run.py jobs list` shows those that do")


class ProductNotFound(InputError, LookupError):
    """The user has no such product."""


class InvalidJson(InputError):
    """A value that cannot be stored as JSON."""


class InvalidProduct(InputError):
    """A product of which fields are missing or cannot be used."""


class DatabaseRefused(InputError):
    """PostgreSQL does not accept a value; nothing of the statement was written."""


class IllegalTransition(InputError):
    """The event cannot happen to a job in that status."""

    def __init__(self, status: str, event: str, allowed: Sequence[str]) -> None:
        super().__init__(
            f"a job that is {status} cannot take the event {event!r}; "
            f"a job that is {' or '.join(allowed)} can"
        )
        self.status = status
        self.event = event


class IdempotencyConflict(InputError):
    """The key already stands for another kind of job."""


class ConsentRefused(InputError):
    """A consent that does not count: the seller declined, or it is not an answer to ours."""


class ConsentDeclined(ConsentRefused):
    """The answer to our consent, and it is no: another one has to be asked for."""


class ProductBusy(InputError):
    """Another job of the same product and shop runs."""


class AlreadyPublished(InputError):
    """The product is on sale in that shop already, or is being put on sale.

    Attributes:
        listing_id: the listing that is live, or None.
        job_id: the unfinished job that publishes it, or None.
    """

    def __init__(
        self, product: str, shop_id: int, *, listing_id: int | None, job_id: int | None, more: int
    ) -> None:
        where = (
            f"is being published there by job {job_id}"
            if listing_id is None
            else f"is on sale there as listing {listing_id}"
        )
        others = f" (and {more} more of these products are, too)" if more else ""
        super().__init__(
            f"a second publish to shop {shop_id} is refused: the product {product} {where}{others};"
            " update it instead, or force it (force=True, --force) to have it there twice"
        )
        self.listing_id = listing_id
        self.job_id = job_id


class BatchNotFound(InputError, LookupError):
    """No such batch."""

    def __init__(self, batch_id: object) -> None:
        super().__init__(
            f"batch {batch_id} does not exist; `run.py batches list` shows those that do"
        )


class ProductsNotFound(InputError, LookupError):
    """A batch names products that the user does not have.

    Attributes:
        product_ids: all of them.
    """

    NAMED = 5

    def __init__(self, user_id: int, product_ids: Sequence[int]) -> None:
        named = ", ".join(map(str, product_ids[: self.NAMED]))
        more = len(product_ids) - self.NAMED
        others = f" and {more:,} more" if more > 0 else ""
        super().__init__(
            f"user {user_id} has no product {named}{others}; nothing was created: leave "
            f"{'it' if len(product_ids) == 1 else 'them'} out, or check the ids"
        )
        self.product_ids = tuple(product_ids)


class ScheduleNotFound(InputError, LookupError):
    """No such schedule."""

    def __init__(self, name: object) -> None:
        super().__init__(
            f"the schedule {name!r} does not exist; `run.py schedules list` shows those that do"
        )


class ScheduleExists(InputError):
    """Another schedule has that name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"there is a schedule {name!r} already: give this one another name, or remove that "
            f"one with `run.py schedules remove {name}`"
        )


class TokenError(MarketplaceRuntimeError):
    """A bridge token that does not count; the message is safe to send to the client."""


class WaitTimeout(MarketplaceRuntimeError, TimeoutError):
    """The job, or the batch, did not end in the time that the caller was willing to wait."""

    def __init__(self, what: str, status: str, timeout: timedelta, command: str) -> None:
        super().__init__(
            f"{what} is still {status} after {timeout.total_seconds():g} s; it goes on: "
            f"`run.py {command}` says how it stands"
        )


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
    """The node was held up, so that another may have taken the job over; nothing left."""


class BudgetClosed(NotSent):
    """No call goes through a node of the budgets for so long that the job had better wait.

    Attributes:
        node: what is closed.
        until: when it opens; None: when somebody opens it.
        is_closure: it was closed, with the lanes below it; else what it allows is used up.
    """

    def __init__(
        self, node: Node, reason: str, until: datetime | None, *, is_closure: bool
    ) -> None:
        when = "until it is resumed" if until is None else f"until {_to_the_second(until)}"
        super().__init__(
            f"budget {str(node)!r} is closed {when}: {reason}", error_code="budget_closed"
        )
        self.node = node
        self.until = until
        self.is_closure = is_closure


class NotAuthorized(NotSent):
    """The marketplace does not let us act for the shop until its seller consents again."""

    def __init__(self, shop_id: int, marketplace: str, reason: str) -> None:
        super().__init__(
            f"shop {shop_id} is not authorized ({reason}): its seller has to consent again "
            f"(`run.py shops connect {marketplace}`)",
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


class StepFailed(MarketplaceRuntimeError):
    """A step failed in an earlier run, with an error of a class that is not this project's."""


class CannotTell(MarketplaceRuntimeError):
    """Raised by a ``reconcile``: the marketplace does not show whether it happened."""


class HandlerError(MarketplaceRuntimeError):
    """The handler's own code is wrong; trying again cannot help."""


class UnknownHandler(HandlerError):
    """No usable handler has that key."""

    def __init__(self, key: str, reason: str | None = None) -> None:
        super().__init__(
            f"Unknown action: {key}; "
            + (reason or "no installed handler plugin has that key")
            + " (`run.py handlers list` shows all)"
        )


class ForeignAwait(HandlerError):
    """The handler awaited something that is not a call."""

    def __init__(self, awaited: object) -> None:
        super().__init__(
            f"the handler awaited {safe_repr(awaited)}, which no event loop drives here: await "
            "self.call_http, self.call_websocket, self.sleep, self.step or self.gather, and wrap "
            "blocking work in self.run_blocking(function, ...)"
        )


class DuplicateStepName(HandlerError):
    """Two steps of one run have the same name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the step name {name!r} was used twice in one run: give each step a name of its own, "
            f"for example {name!r} with a number behind it"
        )


class InvalidCall(HandlerError):
    """A call was made with arguments that cannot be carried out."""


class FenceLost(MarketplaceRuntimeError):
    """The job was claimed again elsewhere; this run must do nothing more."""


class JobFailed(MarketplaceRuntimeError):
    """Raised by a handler: this job cannot succeed, do not try again."""


class NeedsUser(MarketplaceRuntimeError):
    """Raised by a handler: the shop cannot be used before a person has done what it says.

    The shop is closed until somebody resumes it; its jobs wait, and use up no attempt.
    """


class ImageRefused(JobFailed):
    """An image that may not be fetched, or cannot be used; asking again gives the same."""


class Snooze(Exception):
    """Raised by a handler: stop here and run again later; uses up no attempt."""

    def __init__(self, until: datetime, reason: str = "") -> None:
        super().__init__(reason or f"snoozed until {until.isoformat()}")
        if until.utcoffset() is None:
            raise InvalidCall("Snooze(until) needs a datetime with a time zone")
        self.until = until
        self.reason = reason


class JobCancelled(BaseException):
    """Thrown into a handler whose job was cancelled; let it pass."""


def _to_the_second(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="seconds")


def not_connected_message(user_id: int) -> str:
    """What an application sees of a job whose seller is away."""
    return f"User {user_id} not connected via WebSocket"
