"""Checks orders and turns them into the JSON values that the storage takes. Pure."""

import reprlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypedDict, TypeVar

from runtime.errors import InputError
from runtime.values.marketplace_values import (
    checked_currency,
    checked_data,
    checked_identity,
    checked_price,
    checked_words,
)

MOST_PIECES = 1_000_000
V = TypeVar("V")


class OrderLineRow(TypedDict):
    """One line of an order; the listing or the SKU identifies the product."""

    external_id: str
    listing_external_id: str | None
    sku: str | None
    title: str | None
    quantity: int


class OrderRow(TypedDict):
    """One order; ``sold`` tells that its pieces are really sold, not only requested."""

    external_id: str
    status: str | None
    buyer: str | None
    total: str | None
    currency: str | None
    ordered_at: str | None
    sold: bool
    lines: list[OrderLineRow]
    data: dict[str, Any]


def checked_order_line(
    external_id: object,
    *,
    listing: object = None,
    sku: object = None,
    title: object = None,
    quantity: int = 1,
) -> OrderLineRow:
    """Check one line of an order.

    Args:
        external_id: the marketplace's own id of the line, unique within the order.
        listing: the marketplace's own id of the listing.

    Raises:
        InputError: the line does not say what was sold, or how many pieces. An unusable title
            becomes None instead.
    """
    if isinstance(quantity, bool) or not isinstance(quantity, int) or quantity < 1:
        raise InputError(f"a quantity must be a whole number from 1, not {quantity!r}")
    return OrderLineRow(
        external_id=checked_identity(external_id, "an order line's id"),
        listing_external_id=None
        if listing is None
        else checked_identity(listing, "a listing's id"),
        sku=None if sku is None else checked_identity(sku, "a SKU"),
        title=_legible(checked_words, title, "title"),
        # A number beyond the range of the column would keep the sale from being stored.
        quantity=min(quantity, MOST_PIECES),
    )


def checked_order(
    external_id: object,
    lines: Sequence[OrderLineRow],
    *,
    data: dict[str, Any],
    sold: bool = True,
    status: object = None,
    buyer: object = None,
    total: object = None,
    currency: object = None,
    ordered_at: object = None,
) -> OrderRow:
    """Check the data of a marketplace on one order.

    Args:
        sold: whether the pieces are really sold, and not only requested or cancelled.
        ordered_at: a datetime, ISO text, or seconds since 1970; without a time zone it is UTC.

    Raises:
        InputError: the id cannot be used. Unusable details become None instead, because a sold
            product must not stay on sale only for a price that nobody can read.
    """
    return OrderRow(
        external_id=checked_identity(external_id, "an order's id"),
        status=_legible(checked_words, status, "status"),
        buyer=_legible(checked_words, buyer, "buyer"),
        total=_legible(checked_price, total, "total"),
        currency=_legible(checked_currency, currency),
        ordered_at=_legible(_moment, ordered_at),
        sold=sold,
        lines=list(lines),
        data=_legible(checked_data, data, "the order") or {},
    )


def _legible(check: Callable[..., V], *arguments: object) -> V | None:
    try:
        return check(*arguments)
    except InputError:
        return None


def _moment(value: object) -> str | None:
    if value is None:
        return None
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value.strip())
        elif isinstance(value, int | float) and not isinstance(value, bool):
            moment = datetime.fromtimestamp(value, UTC)
        elif isinstance(value, datetime):
            moment = value
        else:
            raise TypeError
    except (TypeError, ValueError, OverflowError, OSError):
        raise InputError(f"{reprlib.repr(value)} is no time of an order") from None
    return (moment if moment.utcoffset() is not None else moment.replace(tzinfo=UTC)).isoformat()
