"""Receipts, which are Etsy's orders, and the simulated buyers who make them."""

import copy
from collections.abc import Callable
from decimal import Decimal

from plugins.etsy.sandbox.errors import refused
from plugins.etsy.sandbox.listings import own_shop
from plugins.etsy.sandbox.request_reader import flag, identifier, integer, page_of, query_of
from plugins.etsy.sandbox.state import USER_ID, EtsyState, Record, amount_of, money
from runtime.sandbox import Answer, Call

BUYER_ID = 8_001
_LIMITS: dict[str, Callable[[Record, int], bool]] = {
    "min_created": lambda one, limit: one["created_timestamp"] >= limit,
    "max_created": lambda one, limit: one["created_timestamp"] <= limit,
    "min_last_modified": lambda one, limit: one["updated_timestamp"] >= limit,
    "max_last_modified": lambda one, limit: one["updated_timestamp"] <= limit,
}
_FLAGS: dict[str, Callable[[Record], bool]] = {
    "was_paid": lambda one: bool(one["is_paid"]),
    "was_shipped": lambda one: bool(one["is_shipped"]),
    "was_delivered": lambda _one: False,
    "was_canceled": lambda one: one["status"] == "canceled",
}
_SORTS = {
    "created": "created_timestamp", "updated": "updated_timestamp", "receipt_id": "receipt_id"
}  # fmt: skip
_ASCENDING = {"asc", "ascending", "up"}
# Etsy's document takes no time before the year 2000.
_EARLIEST = 946_684_800


class ReceiptOperations:
    """The operations on receipts, and the buyers who make them."""

    def __init__(self, state: EtsyState) -> None:
        self._state = state

    def list_page(self, call: Call) -> Answer:
        """getShopReceipts: newest first unless told otherwise."""
        own_shop(call)
        query = query_of(call.request)
        rows = list(self._state.receipts)
        for name, within in _LIMITS.items():
            if name in query:
                limit = integer(name, query[name])
                if limit < _EARLIEST:
                    raise refused(400, f"{name} must be at least {_EARLIEST}")
                rows = [one for one in rows if within(one, limit)]
        for name, holds in _FLAGS.items():
            if name in query:
                rows = [one for one in rows if holds(one) == flag(name, query[name])]
        sort = _SORTS.get(query.get("sort_on", "created"))
        if sort is None:
            raise refused(400, f"Invalid value for sort_on: {query['sort_on']!r}")
        ascending = query.get("sort_order", "desc") in _ASCENDING
        # The id decides between equal times, so that pages neither repeat nor leave out a receipt.
        rows.sort(key=lambda one: (one[sort], one["receipt_id"]), reverse=not ascending)
        return Answer(200, copy.deepcopy(page_of(query, rows)))

    def get(self, call: Call) -> Answer:
        """getShopReceipt: by its id."""
        return Answer(200, copy.deepcopy(self._found(call)))

    def transactions(self, call: Call) -> Answer:
        """getShopReceiptTransactionsByReceipt: all of them."""
        rows = copy.deepcopy(self._found(call)["transactions"])
        return Answer(200, {"count": len(rows), "results": rows})

    def sell(self, sku: str, quantity: int) -> Record:
        """Let a buyer buy: make the receipt, and take the quantity off the listing.

        Raises:
            ValueError: so many pieces are not on sale.
        """
        for listing_id, inventory in self._state.inventories.items():
            listing = self._state.listings[listing_id]
            for product in inventory["products"]:
                offering = product["offerings"][0]
                if (
                    product["sku"] == sku
                    and listing["state"] == "active"
                    and offering["quantity"] >= quantity
                ):
                    return self._sold(listing, product, quantity)
        raise ValueError(f"{sku} cannot be bought {quantity} times: so many are not on sale")

    def cancel(self, receipt_id: int) -> None:
        """Cancel a receipt, and give the buyer the money back; the receipt counts as changed."""
        receipt = next(one for one in self._state.receipts if one["receipt_id"] == receipt_id)
        now = self._state.timestamp()
        receipt |= {"status": "canceled", "update_timestamp": now, "updated_timestamp": now}

    def _sold(self, listing: Record, product: Record, quantity: int) -> Record:
        offering = product["offerings"][0]
        # Etsy takes the pieces off sale with the sale itself, whether or not it is paid.
        offering["quantity"] -= quantity
        listing["quantity"] -= quantity
        if not listing["quantity"]:
            listing["state"] = "sold_out"
        receipt = self._receipt(listing, product, quantity)
        self._state.receipts.append(receipt)
        return copy.deepcopy(receipt)

    def _receipt(self, listing: Record, product: Record, quantity: int) -> Record:
        receipt_id = 2_000_000_000 + self._state.next_number()
        now = self._state.timestamp()
        price = amount_of(product["offerings"][0]["price"])
        total, nothing = money(price * quantity), money(Decimal(0))
        free = ("total_shipping_cost", "total_tax_cost", "total_vat_cost", "discount_amt",
                "gift_wrap_price")  # fmt: skip
        return {
            "receipt_id": receipt_id,
            "receipt_type": 0,
            "seller_user_id": USER_ID,
            "buyer_user_id": BUYER_ID,
            "buyer_email": "buyer@example.com",
            "name": "Example Buyer",
            "first_line": "1 rue de l'Exemple",
            "second_line": None,
            "city": "Paris",
            "state": None,
            "zip": "75001",
            "country_iso": "FR",
            "status": "paid",
            "payment_method": "cc",
            "is_paid": True,
            "is_shipped": False,
            "is_gift": False,
            "gift_message": "",
            "create_timestamp": now,
            "created_timestamp": now,
            "update_timestamp": now,
            "updated_timestamp": now,
            **dict.fromkeys(("grandtotal", "subtotal", "total_price"), total),
            **dict.fromkeys(free, nothing),
            "shipments": [],
            "refunds": [],
            "transactions": [self._transaction(receipt_id, listing, product, quantity)],
        }

    def _transaction(
        self, receipt_id: int, listing: Record, product: Record, quantity: int
    ) -> Record:
        now = self._state.timestamp()
        return {
            "transaction_id": 4_000_000_000 + self._state.next_number(),
            "receipt_id": receipt_id,
            "title": listing["title"],
            "description": listing["description"],
            "seller_user_id": USER_ID,
            "buyer_user_id": BUYER_ID,
            "create_timestamp": now,
            "created_timestamp": now,
            "paid_timestamp": now,
            "shipped_timestamp": None,
            "quantity": quantity,
            "is_digital": False,
            "listing_id": listing["listing_id"],
            "transaction_type": "listing",
            "product_id": product["product_id"],
            "sku": product["sku"],
            "price": product["offerings"][0]["price"],
            "shipping_cost": money(Decimal(0)),
            "variations": [],
            "product_data": [],
        }

    def _found(self, call: Call) -> Record:
        own_shop(call)
        receipt_id = identifier(call, "receipt_id")
        for receipt in self._state.receipts:
            if receipt["receipt_id"] == receipt_id:
                return receipt
        raise refused(404, f"Could not find a receipt with receipt_id = {receipt_id}")
