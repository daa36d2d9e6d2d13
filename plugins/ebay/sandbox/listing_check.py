"""Checks whether an item and its offer have everything that a listing needs."""

from typing import Any

from plugins.ebay.sandbox.errors import error
from plugins.ebay.sandbox.state import EbayState, Record
from runtime.sandbox import Answer, Refused

POLICIES = {
    "fulfillment": ("fulfillmentPolicyId", 25007),
    "payment": ("paymentPolicyId", 25008),
    "return": ("returnPolicyId", 25009),
}


def demand_publishable(state: EbayState, item: Record, offer: Record) -> None:
    """Check everything.

    Raises:
        Refused: 400 with an error for each thing that is missing.
    """
    # All that is missing is named at once, as eBay does.
    errors = [*_of_item(item), *_of_offer(state, item, offer)]
    if errors:
        raise Refused(Answer(400, {"errors": errors}))


def quantity_of(item: Record, offer: Record) -> int | None:
    """Return how many pieces are on sale; None if neither the offer nor the item says so."""
    quantity = offer.get("availableQuantity")
    if quantity is None:
        ship_to = (item.get("availability") or {}).get("shipToLocationAvailability") or {}
        quantity = ship_to.get("quantity")
    return quantity


def _of_item(item: Record) -> list[Record]:
    product: dict[str, Any] = item.get("product") or {}
    errors = []
    if not product.get("title"):
        errors.append(error(25016, "title", fieldName="title"))
    if not product.get("imageUrls"):
        errors.append(error(25014, "At least one is required."))
    if not item.get("condition"):
        errors.append(error(25021, "The condition is required."))
    return errors


def _of_offer(state: EbayState, item: Record, offer: Record) -> list[Record]:
    errors = []
    description = offer.get("listingDescription") or (item.get("product") or {}).get("description")
    if not description:
        errors.append(error(25016, "description", fieldName="description"))
    if not offer.get("categoryId"):
        errors.append(error(25005, "The category id is required."))
    if not ((offer.get("pricingSummary") or {}).get("price") or {}).get("value"):
        errors.append(error(25003, "The price is required."))
    if offer.get("format") == "FIXED_PRICE" and offer.get("listingDuration") != "GTC":
        errors.append(error(25006, "The listing duration of a fixed price must be GTC."))
    # A listing that is live may run out; only a new one needs something to sell.
    if not (quantity := quantity_of(item, offer)) and offer["status"] != "PUBLISHED":
        errors.append(error(25004, f"{quantity} are available."))
    if offer.get("merchantLocationKey") not in state.locations:
        errors.append(error(25012, f"There is no {offer.get('merchantLocationKey')!r}."))
    given = offer.get("listingPolicies") or {}
    for kind, (name, error_id) in POLICIES.items():
        policy = state.policies[kind].get(given.get(name, ""))
        if policy is None or policy["marketplaceId"] != offer["marketplaceId"]:
            errors.append(error(error_id, f"There is no {given.get(name)!r} here."))
    return errors
