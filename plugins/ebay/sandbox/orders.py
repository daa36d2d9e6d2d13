"""Orders, as the Fulfillment API shows them; buyers are simulated."""

import copy
from datetime import timedelta
from decimal import Decimal
from urllib.parse import quote, urlencode

from plugins.ebay.sandbox.errors import refused
from plugins.ebay.sandbox.listing_check import quantity_of
from plugins.ebay.sandbox.order_filter import parsed
from plugins.ebay.sandbox.state import EbayState, Record, moment
from runtime.sandbox import Answer, Call

MAX_LIMIT = 200
USUAL_LIMIT = 50
MAX_IDS = 50


class OrderOperations:
    """The operations on orders, and the buyers who make them."""

    def __init__(self, state: EbayState) -> None:
        self._state = state

    def get(self, call: Call) -> Answer:
        """getOrder: by its id."""
        for order in self._state.orders:
            if order["orderId"] == call.path["orderId"]:
                return Answer(200, copy.deepcopy(order))
        raise refused(404, 32100, call.path["orderId"])

    def list_page(self, call: Call, base: str) -> Answer:
        """getOrders: newest first; ``limit`` at most 200, ``offset`` counts orders."""
        query = dict(call.request.query_pairs())
        if "orderIds" in query:
            return self._by_ids(query["orderIds"].split(","), base)
        limit = _number(query.get("limit", f"{USUAL_LIMIT}"), 1, MAX_LIMIT, 31100)
        offset = _number(query.get("offset", "0"), 0, 1_000_000, 31000)
        wanted = parsed(query.get("filter"), self._state.now)
        # The newest order stands first, and offset counts orders: an order that comes between two
        # pages moves the others.
        rows = [order for order in reversed(self._state.orders) if wanted(order)]

        def link(start: int) -> str:
            # The link repeats the filter percent-encoded; a client has to follow it as it is.
            given = {**query, "limit": f"{limit}", "offset": f"{start}"}
            return f"{base}?{urlencode(given, quote_via=quote)}"

        page = {
            "href": link(offset),
            "limit": limit,
            "offset": offset,
            "total": len(rows),
            "orders": copy.deepcopy(rows[offset : offset + limit]),
        }
        if offset + limit < len(rows):
            page["next"] = link(offset + limit)
        if offset:
            page["prev"] = link(max(offset - limit, 0))
        return Answer(200, page)

    def _by_ids(self, ids: list[str], base: str) -> Answer:
        if len(ids) > MAX_IDS:
            raise refused(400, 30900)
        rows = [order for order in self._state.orders if order["orderId"] in ids]
        page = {"href": f"{base}?orderIds={','.join(ids)}", "total": len(rows)}
        return Answer(200, {**page, "orders": copy.deepcopy(rows)})

    def sell(self, sku: str, quantity: int, buyer: str) -> Record:
        """Let a buyer buy: make the order, and take the quantity off the listing.

        Raises:
            ValueError: so many pieces are not on sale.
        """
        live = self._state.live_offers_of(sku)
        item = self._state.items.get(sku, {})
        available = (quantity_of(item, live[0]) or 0) if live else 0
        if available < quantity:
            raise ValueError(f"{sku} cannot be bought {quantity} times: {available} are on sale")
        offer = live[0]
        _take(item, offer, available - quantity)
        offer["listing"]["soldQuantity"] += quantity
        if available == quantity:
            offer["listing"]["listingStatus"] = "OUT_OF_STOCK"
        order = self._order(item, offer, quantity, buyer)
        self._state.orders.append(order)
        return copy.deepcopy(order)

    def cancel(self, order_id: str) -> None:
        """Cancel an order, and give the buyer the money back; the order counts as changed."""
        order = next(one for one in self._state.orders if one["orderId"] == order_id)
        order["cancelStatus"] = {"cancelState": "CANCELED", "cancelRequests": []}
        order["orderPaymentStatus"] = "FULLY_REFUNDED"
        order["lastModifiedDate"] = moment(self._state.now())

    def _order(self, item: Record, offer: Record, quantity: int, buyer: str) -> Record:
        number = self._state.next_number()
        created = moment(self._state.now())
        price = offer["pricingSummary"]["price"]
        total = {**price, "value": f"{Decimal(price['value']) * quantity}"}
        free = {**price, "value": "0.0"}
        address = {
            "fullName": "Example Buyer",
            "contactAddress": {
                "addressLine1": "1 rue de l'Exemple",
                "city": "Paris",
                "postalCode": "75001",
                "countryCode": "FR",
            },
        }
        return {
            "orderId": f"01-{10_000 + number}-{20_000 + number}",
            "creationDate": created,
            "lastModifiedDate": created,
            "orderFulfillmentStatus": "NOT_STARTED",
            "orderPaymentStatus": "PAID",
            "sellerId": "example-seller",
            "buyer": {"username": buyer},
            "pricingSummary": {"priceSubtotal": total, "deliveryCost": free, "total": total},
            "cancelStatus": {"cancelState": "NONE_REQUESTED", "cancelRequests": []},
            "paymentSummary": {
                "totalDueSeller": total,
                "payments": [
                    {
                        "paymentMethod": "EBAY",
                        "amount": total,
                        "paymentDate": created,
                        "paymentStatus": "PAID",
                    }
                ],
                "refunds": [],
            },
            "fulfillmentStartInstructions": [
                {
                    "fulfillmentInstructionsType": "SHIP_TO",
                    "shippingStep": {"shipTo": address},
                }
            ],
            "fulfillmentHrefs": [],
            "lineItems": [self._line_item(item, offer, quantity, total, free)],
        }

    def _line_item(
        self, item: Record, offer: Record, quantity: int, total: Record, free: Record
    ) -> Record:
        return {
            "lineItemId": f"{10_000_000_000 + self._state.next_number()}",
            "legacyItemId": offer["listing"]["listingId"],
            "sku": offer["sku"],
            "title": item["product"]["title"],
            "lineItemCost": total,
            "total": total,
            "deliveryCost": {"shippingCost": free},
            "quantity": quantity,
            "soldFormat": offer["format"],
            "listingMarketplaceId": offer["marketplaceId"],
            "purchaseMarketplaceId": offer["marketplaceId"],
            "lineItemFulfillmentStatus": "NOT_STARTED",
            "lineItemFulfillmentInstructions": {
                "guaranteedDelivery": False,
                "shipByDate": moment(self._state.now() + timedelta(days=3)),
            },
            "taxes": [],
        }


def _take(item: Record, offer: Record, remaining: int) -> None:
    # The quantity may stand in the offer, in the item, or in both.
    if "availableQuantity" in offer:
        offer["availableQuantity"] = remaining
    ship_to = item.get("availability", {}).get("shipToLocationAvailability")
    if ship_to and "quantity" in ship_to:
        ship_to["quantity"] = remaining


def _number(text: str, least: int, most: int, error_id: int) -> int:
    # isdigit() takes superscripts, too, which int() refuses.
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise refused(400, error_id, text)
    return int(text)
