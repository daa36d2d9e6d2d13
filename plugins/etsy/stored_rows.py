"""Listings and sales of Etsy as the runtime stores them. Pure."""

import json
from typing import Any

from plugins.etsy.shapes import amount, currency
from runtime import InputError
from runtime.store import (
    MAX_DATA_BYTES,
    ListingRow,
    OrderRow,
    checked_listing,
    checked_order,
    checked_order_line,
)

_LONG = frozenset({"description", "rich_description", "images", "inventory", "file_data"})
NOT_SOLD = frozenset({"canceled", "fully refunded"})
"""The states in which the seller has the thing, or gets it back. An order that is not paid yet is
sold all the same: Etsy has taken its pieces off sale, so they must not be sold elsewhere."""


def listing_row(listing: dict[str, Any]) -> ListingRow:
    """Return the row of one listing.

    Raises:
        InputError: it has no id that can be used.
    """
    # A listing with several SKUs sells several products, so it is linked to none of them.
    skus = listing.get("skus")
    sku = skus[0] if isinstance(skus, list) and len(skus) == 1 else None
    return checked_listing(
        listing.get("listing_id"),
        data={name: value for name, value in listing.items() if name not in _LONG},
        title=listing.get("title"),
        price=amount(listing.get("price")),
        currency=currency(listing.get("price")),
        url=listing.get("url"),
        sku=sku or None,
    )


def order_row(receipt: Any) -> OrderRow:
    """Return the row of one sale, which Etsy calls a receipt; its lines are Etsy's transactions.

    Raises:
        InputError: it cannot be stored.
    """
    transactions = receipt.get("transactions")
    if not isinstance(transactions, list):
        raise InputError("a receipt must tell its transactions")
    lines = [
        checked_order_line(
            one.get("transaction_id"),
            listing=one.get("listing_id"),
            sku=one.get("sku") or None,
            title=one.get("title"),
            quantity=one.get("quantity", 1),
        )
        for one in transactions
        if isinstance(one, dict)
    ]
    status, total = receipt.get("status"), receipt.get("grandtotal")
    said = receipt
    if len(json.dumps(receipt)) > MAX_DATA_BYTES // 2:
        # The row may hold so many bytes. The transactions stand in the lines already, and a sale
        # that is not stored would leave its product on sale elsewhere.
        said = {name: value for name, value in receipt.items() if name != "transactions"}
    return checked_order(
        receipt.get("receipt_id"),
        lines,
        data=said,
        # The case of a status is not relied on: Etsy's document gives it in lower case, but a
        # cancelled sale that is read as sold would take the product off sale everywhere.
        sold=str(status).lower() not in NOT_SOLD,
        status=status,
        buyer=receipt.get("name"),
        total=amount(total),
        currency=currency(total),
        ordered_at=receipt.get("created_timestamp"),
    )
