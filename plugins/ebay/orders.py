"""Orders: the sales on eBay (Fulfillment API)."""

from datetime import UTC, datetime
from typing import Any

from plugins.ebay.client import EbayClient, LinkedPage
from plugins.ebay.errors import Record
from runtime import InputError
from runtime.store import OrderRow, checked_order, checked_order_line

ORDERS = "/sell/fulfillment/v1/order"
# eBay gives no more on one page.
PAGE_SIZE = 200
UNSOLD_PAYMENTS = frozenset({"FAILED", "FULLY_REFUNDED"})
CANCELED = "CANCELED"


class Orders:
    """The operations on orders that handlers need."""

    def __init__(self, client: EbayClient) -> None:
        self._client = client

    async def page(self, following: str | None, since: datetime | None, field: str) -> LinkedPage:
        """Read the first page of the orders, or the page that another page named as its next.

        Args:
            since: the earliest time in ``field`` of the orders; None means the orders that were
                made in the last 90 days, which is eBay's default.
            field: ``creationdate`` or ``lastmodifieddate``.
        """
        if following is not None:
            return await self._client.page(following, "orders")
        given = {"limit": f"{PAGE_SIZE}"}
        if since is not None:
            given["filter"] = f"{field}:[{moment(since)}..]"
        return await self._client.page(ORDERS, "orders", **given)


def moment(when: datetime) -> str:
    """Write a moment as eBay does, such as ``2026-01-09T00:00:00.000Z``."""
    text = when.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def parse_order(entry: Record) -> OrderRow:
    """Read one order.

    Raises:
        InputError: the order cannot be stored.
    """
    items = entry.get("lineItems")
    total = _object(_object(entry, "pricingSummary"), "total")
    status = entry.get("orderFulfillmentStatus")
    cancelled = _object(entry, "cancelStatus").get("cancelState") == CANCELED
    return checked_order(
        entry.get("orderId"),
        [_line(item) for item in (items if isinstance(items, list) else [])],
        data=entry,
        # The thing of a cancelled or refunded order was not sold, so it must not lower the
        # quantity.
        sold=not cancelled and entry.get("orderPaymentStatus") not in UNSOLD_PAYMENTS,
        status=CANCELED if cancelled else status,
        buyer=_object(entry, "buyer").get("username"),
        total=total.get("value"),
        currency=total.get("currency"),
        ordered_at=entry.get("creationDate"),
    )


def _line(item: Any) -> Any:
    if not isinstance(item, dict):
        raise InputError("a line of an order must be an object")
    return checked_order_line(
        item.get("lineItemId"),
        listing=item.get("legacyItemId"),
        sku=item.get("sku"),
        title=item.get("title"),
        quantity=item.get("quantity", 1),
    )


def _object(record: Record, name: str) -> Record:
    found = record.get(name)
    return found if isinstance(found, dict) else {}
