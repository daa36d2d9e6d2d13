"""A listing's inventory: its products with their SKUs, prices and quantities."""

import copy
from decimal import Decimal
from typing import Any

from plugins.etsy.sandbox.errors import Complaint, complaint, listed, plain
from plugins.etsy.sandbox.request_reader import identifier
from plugins.etsy.sandbox.state import EtsyState, Record, amount_of, money
from runtime.sandbox import Answer, Call, Refused

MAX_SKU = 32
# The fields that a PUT may have. A GET answers more of them (product_id, offering_id, is_deleted,
# …): a client that sends back what it got is refused.
_TOP = {
    "products", "price_on_property", "quantity_on_property", "sku_on_property",
    "readiness_state_on_property",
}  # fmt: skip
_PRODUCT = {"sku", "property_values", "offerings"}
_OFFERING = {"price", "quantity", "is_enabled", "readiness_state_id"}
_VALUE = {"property_id", "value_ids", "scale_id", "property_name", "values"}


class InventoryOperations:
    """The operations on inventories."""

    def __init__(self, state: EtsyState) -> None:
        self._state = state

    def get(self, call: Call) -> Answer:
        """getListingInventory: by its id."""
        return Answer(200, shown_inventory(self._state.inventories[self._listing_id(call)]))

    def put(self, call: Call) -> Answer:
        """updateListingInventory: JSON, replaces all of it; a GET's answer does not fit in."""
        listing_id = self._listing_id(call)
        if call.request.content_type != "application/json":
            raise Refused(plain(400, "Expected Content-Type application/json"))
        body = call.request.json()
        if complaints := _complaints(self._state, body):
            raise Refused(listed(complaints))
        products = [self._product(product) for product in body["products"]]
        inventory = {name: body.get(name, []) for name in _TOP} | {"products": products}
        self._state.inventories[listing_id] = inventory
        self._carry_over(listing_id, products)
        return Answer(200, shown_inventory(inventory))

    def _product(self, product: Record) -> Record:
        return {
            "product_id": self._state.next_number(),
            "sku": product.get("sku") or "",
            "is_deleted": False,
            "offerings": [
                # The detour by text makes 12.1 of the float 12.1, and not its nearest binary
                # fraction.
                _offering(self._state, one, Decimal(str(one["price"])))
                for one in product["offerings"]
            ],
            "property_values": copy.deepcopy(product.get("property_values") or []),
        }

    def _carry_over(self, listing_id: int, products: list[Record]) -> None:
        """Let the listing show the least price, and the number of pieces that are for sale."""
        # A listing's own price and quantity are those of its inventory: updateListing takes
        # neither.
        enabled = [one for product in products for one in product["offerings"] if one["is_enabled"]]
        listing = self._state.listings[listing_id]
        listing["quantity"] = sum(one["quantity"] for one in enabled)
        listing["price"] = money(min(amount_of(one["price"]) for one in enabled))
        listing["has_variations"] = len(products) > 1
        listing["readiness_state_id"] = enabled[0]["readiness_state_id"]
        now = self._state.timestamp()
        listing |= {"last_modified_timestamp": now, "updated_timestamp": now}

    def _listing_id(self, call: Call) -> int:
        listing_id = identifier(call, "listing_id")
        if listing_id not in self._state.inventories:
            raise Refused(plain(404, f"Could not find a listing with listing_id = {listing_id}"))
        return listing_id


def first_inventory(
    state: EtsyState, price: Decimal, quantity: int, readiness_state_id: int | None
) -> Record:
    """Return the inventory of a draft: one product, without a SKU."""
    terms = {"quantity": quantity, "is_enabled": True, "readiness_state_id": readiness_state_id}
    product = {
        "product_id": state.next_number(),
        "sku": "",
        "is_deleted": False,
        "offerings": [_offering(state, terms, price)],
        "property_values": [],
    }
    empty: dict[str, list[int]] = {name: [] for name in sorted(_TOP)}
    return {**empty, "products": [product]}


def shown_inventory(inventory: Record) -> Record:
    """Return a copy of the inventory, as Etsy answers it."""
    return copy.deepcopy(inventory)


def _offering(state: EtsyState, terms: Record, price: Decimal) -> Record:
    return {
        "offering_id": state.next_number(),
        "quantity": terms["quantity"],
        "is_enabled": terms["is_enabled"],
        "is_deleted": False,
        "price": money(price),
        "readiness_state_id": terms["readiness_state_id"],
    }


def _complaints(state: EtsyState, body: Any) -> list[Complaint]:
    if not isinstance(body, dict) or not isinstance(body.get("products"), list):
        return [complaint("products", "products must be an array", "type")]
    found = _unknown("", body, _TOP)
    if not body["products"]:
        found.append(complaint("products", "at least one product is required", "required"))
    for number, product in enumerate(body["products"]):
        found += _of_product(state, f"products[{number}]", product)
    # An inventory of nothing is refused, which is why a client has to switch a listing off.
    if not found and not _sells(body["products"]):
        found.append(complaint("products", "an enabled offering must have a quantity above 0"))
    return found


def _of_product(state: EtsyState, path: str, product: Any) -> list[Complaint]:
    if not isinstance(product, dict):
        return [complaint(path, "must be an object", "type")]
    found = _unknown(path, product, _PRODUCT)
    if not isinstance(product.get("sku") or "", str) or len(product.get("sku") or "") > MAX_SKU:
        found.append(complaint(f"{path}.sku", f"must be text of at most {MAX_SKU} characters"))
    for number, value in enumerate(product.get("property_values") or []):
        found += _unknown(f"{path}.property_values[{number}]", value, _VALUE)
    offerings = product.get("offerings")
    if not isinstance(offerings, list) or not offerings:
        return [*found, complaint(f"{path}.offerings", "is required", "required")]
    for number, offering in enumerate(offerings):
        found += _of_offering(state, f"{path}.offerings[{number}]", offering)
    return found


def _of_offering(state: EtsyState, path: str, offering: Any) -> list[Complaint]:
    if not isinstance(offering, dict):
        return [complaint(path, "must be an object", "type")]
    found = _unknown(path, offering, _OFFERING)
    # Each field has to be there; readiness_state_id may be null, but not be left out.
    missing = sorted(_OFFERING - set(offering))
    found += [complaint(f"{path}.{name}", "is required", "required") for name in missing]
    # The checks below need every field.
    if found:
        return found
    price, quantity = offering["price"], offering["quantity"]
    if isinstance(price, bool) or not isinstance(price, int | float) or price <= 0:
        found.append(complaint(f"{path}.price", "must be a number above 0", "type"))
    if isinstance(quantity, bool) or not isinstance(quantity, int) or not 0 <= quantity <= 999:
        found.append(complaint(f"{path}.quantity", "must be from 0 to 999", "type"))
    if not isinstance(offering["is_enabled"], bool):
        found.append(complaint(f"{path}.is_enabled", "must be a boolean", "type"))
    readiness = offering["readiness_state_id"]
    if readiness is not None and readiness not in state.readiness_states:
        found.append(complaint(f"{path}.readiness_state_id", f"{readiness} is unknown"))
    return found


def _unknown(path: str, given: Any, known: set[str]) -> list[Complaint]:
    if not isinstance(given, dict):
        return [complaint(path, "must be an object", "type")]
    dot = f"{path}." if path else ""
    return [
        complaint(f"{dot}{name}", "is not allowed", "additionalProperties")
        for name in sorted(set(given) - known)
    ]


def _sells(products: list[Record]) -> bool:
    return any(
        one["is_enabled"] and one["quantity"]
        for product in products
        for one in product["offerings"]
    )
