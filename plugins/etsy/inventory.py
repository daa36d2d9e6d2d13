"""Makes an inventory that a PUT takes out of one that a GET answered. Pure.

A PUT replaces everything, and refuses fields that only a GET has. So an inventory is read, brought
into the shape of a PUT, given the product's terms, and written as a whole.
"""

from collections.abc import Mapping
from typing import Any

from plugins.etsy.offer import Offer
from plugins.etsy.shapes import amount
from runtime import JobFailed

_ON_PROPERTY = (
    "price_on_property",
    "quantity_on_property",
    "sku_on_property",
    "readiness_state_on_property",
)
_VALUE = ("property_id", "value_ids", "scale_id", "property_name", "values")


def first_inventory(offer: Offer) -> dict[str, Any]:
    """Return the inventory of a new listing: one product."""
    # In JSON the price is a number, other than in Etsy's forms. The readiness state is sent even
    # where it is null: Etsy refuses an offering without the field.
    terms = {
        "price": float(offer.price),
        "quantity": offer.quantity,
        "is_enabled": True,
        "readiness_state_id": offer.readiness_state_id,
    }
    product = {"sku": offer.sku, "property_values": [], "offerings": [terms]}
    return {"products": [product]}


def merged(known: Mapping[str, Any], offer: Offer) -> dict[str, Any]:
    """Return the inventory with the offer's price, quantity and SKU, and all else as it was.

    Of a listing with variations, only the variation with the offer's SKU changes, except in what
    Etsy wants to be equal in all variations.

    Args:
        known: as getListingInventory answers it.

    Raises:
        JobFailed: none of its variations has the SKU.
    """
    body = reshaped(known)
    products = body["products"]
    meant = [one for one in products if one["sku"] == offer.sku]
    # A listing of one product is meant even without the SKU: a listing that the seller made by hand
    # has none.
    if not meant and len(products) == 1:
        meant = products
    if not meant:
        raise JobFailed(
            f"the listing has {len(products)} variations and none has the SKU {offer.sku}: "
            "give one of them that SKU on Etsy; nothing was sent"
        )
    for product in meant:
        product["sku"] = offer.sku
    # Etsy refuses variations that differ in a value which no property is said to change. An empty
    # list means that none does, so all of them get the value.
    for product in meant if body.get("price_on_property") else products:
        for offering in product["offerings"]:
            offering["price"] = float(offer.price)
    for product in meant if body.get("quantity_on_property") else products:
        for offering in product["offerings"]:
            offering["quantity"] = offer.quantity
    if offer.readiness_state_id is not None:
        for product in meant if body.get("readiness_state_on_property") else products:
            for offering in product["offerings"]:
                offering["readiness_state_id"] = offer.readiness_state_id
    return body


def pieces(body: Mapping[str, Any]) -> int:
    """Return how many pieces an inventory that is about to be sent puts on sale."""
    return sum(
        offering["quantity"]
        for product in body["products"]
        for offering in product["offerings"]
        # An offering that is switched off is not on sale, whatever its quantity.
        if offering["is_enabled"]
    )


def reshaped(known: Mapping[str, Any]) -> dict[str, Any]:
    """Return an inventory that a GET answered in the shape that a PUT takes."""
    lists = {name: known[name] for name in _ON_PROPERTY if known.get(name) is not None}
    # A GET may name products that are deleted. The shape of a PUT has no field that says so, and
    # they would come back to life.
    products = [_product(one) for one in known["products"] if not one.get("is_deleted")]
    return {"products": products, **lists}


def _product(known: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "sku": known.get("sku") or "",
        "property_values": [_value(one) for one in known.get("property_values") or ()],
        "offerings": [_offering(one) for one in known["offerings"] if not one.get("is_deleted")],
    }


def _value(known: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: known[name] for name in _VALUE if name in known}
    # Where there is no scale, a GET says null or nothing.
    return {name: value for name, value in kept.items() if name != "scale_id" or value}


def _offering(known: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "price": float(amount(known["price"]) or 0),
        "quantity": known["quantity"],
        "is_enabled": bool(known.get("is_enabled", True)),
        "readiness_state_id": known.get("readiness_state_id"),
    }
