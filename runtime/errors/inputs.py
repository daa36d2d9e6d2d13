"""Errors of the caller: the message says which value cannot be used, and the way out."""

from collections.abc import Sequence
from datetime import timedelta

from runtime.errors.program import PROGRAM
from runtime.errors.root import MarketplaceRuntimeError


# The former service raised ValueError for an unknown action, and its callers may catch that.
class InputError(MarketplaceRuntimeError, ValueError):
    """A value of the caller cannot be used; nothing was changed."""


class ActionTypeNotFound(InputError):
    """The pair of marketplace and action is not in ``public.marketplace_action_types``."""

    def __init__(self, marketplace: str, action: str, known: Sequence[str]) -> None:
        if known:
            way_out = f"known for {marketplace}: {', '.join(known)}"
        else:
            way_out = (
                f"the marketplace {marketplace!r} has none: check its name, or install its "
                f"handler plugin; if the table is empty, run `{PROGRAM} migrate`"
            )
        # Operators know the first words from the former system.
        super().__init__(f"Action type not found: {action!r} on {marketplace!r}; {way_out}")


class ShopNotFound(InputError):
    """There is no such shop."""


class ShopRequired(InputError):
    """The caller named no shop, and more or fewer than one shop is possible."""


class SellerRequired(InputError):
    """The caller named no seller, and more or fewer than one seller is possible."""


class JobNotFound(InputError, LookupError):
    """There is no such job."""

    def __init__(self, job_id: int) -> None:
        super().__init__(f"job {job_id} does not exist; `{PROGRAM} jobs list` shows those that do")


class ProductNotFound(InputError, LookupError):
    """The user has no such product."""


class InvalidJson(InputError):
    """A value cannot be stored as JSON."""


class InvalidProduct(InputError):
    """Fields of a product are missing or cannot be used."""


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
    """A consent is not valid: the seller declined, or it does not belong to our question."""


class ConsentDeclined(ConsentRefused):
    """The seller answered our question with no, so a new consent has to be asked for."""


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
    """There is no such batch."""

    def __init__(self, batch_id: object) -> None:
        super().__init__(
            f"batch {batch_id} does not exist; `{PROGRAM} batches list` shows those that do"
        )


class ProductsNotFound(InputError, LookupError):
    """A batch names products that the seller does not have.

    Attributes:
        product_ids: all ids that the seller does not have.
    """

    # A batch may name thousands of ids that are not there.
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
    """There is no such schedule."""

    def __init__(self, name: object) -> None:
        super().__init__(
            f"the schedule {name!r} does not exist; `{PROGRAM} schedules list` shows those that do"
        )


class ScheduleExists(InputError):
    """Another schedule has that name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"there is a schedule {name!r} already: give this one another name, or remove that "
            f"one with `{PROGRAM} schedules remove {name}`"
        )


class TokenError(MarketplaceRuntimeError):
    """A token of the bridge is not valid; the message is safe to send to the client."""


class WaitTimeout(MarketplaceRuntimeError, TimeoutError):
    """The job, or the batch, did not end in the time that the caller was willing to wait."""

    def __init__(self, what: str, status: str, timeout: timedelta, command: str) -> None:
        super().__init__(
            f"{what} is still {status} after {timeout.total_seconds():g} s; it goes on: "
            f"`{PROGRAM} {command}` says how it stands"
        )
