"""Listings: drafted, changed, made active (which costs money), deleted."""

import copy
from decimal import Decimal
from typing import Any

from plugins.etsy.sandbox.errors import refused
from plugins.etsy.sandbox.inventory import first_inventory, shown_inventory
from plugins.etsy.sandbox.listing_form import read_form
from plugins.etsy.sandbox.request_reader import array, form_of, identifier, page_of, query_of
from plugins.etsy.sandbox.state import SHOP_ID, USER_ID, EtsyFee, EtsyState, Record, money
from runtime.sandbox import Answer, Call

STATES = ("active", "inactive", "sold_out", "draft", "expired")
SECONDS_LISTED = 120 * 86_400


class ListingOperations:
    """The operations on listings."""

    def __init__(self, state: EtsyState) -> None:
        self._state = state

    def create_draft(self, call: Call) -> Answer:
        """createDraftListing: makes another draft each time, as Etsy does."""
        own_shop(call)
        values = read_form(self._state, form_of(call.request), creates=True)
        kind = values.pop("type", "physical")
        if kind == "physical" and values.get("shipping_profile_id") is None:
            raise refused(400, "shipping_profile_id is required for physical listings")
        listing_id = 1_200_000_000 + self._state.next_number()
        price: Decimal = values.pop("price")
        listing = _blank(listing_id, self._state.timestamp())
        listing |= _jsonable(values) | {"listing_type": kind, "price": money(price)}
        self._state.listings[listing_id] = listing
        self._state.images[listing_id] = []
        self._state.inventories[listing_id] = first_inventory(
            self._state, price, values["quantity"], values.get("readiness_state_id")
        )
        return Answer(201, copy.deepcopy(listing))

    def list_page(self, call: Call) -> Answer:
        """getListingsByShop: of one state (active unless told otherwise), newest first."""
        own_shop(call)
        query = query_of(call.request)
        state = query.get("state", "active")
        if state not in STATES:
            raise refused(400, f"Invalid value for state: {state!r}")
        # Ids are given in order, so the highest is the newest; times would tie within a second.
        newest = sorted(self._state.listings.values(), key=lambda one: -one["listing_id"])
        rows = [one for one in newest if one["state"] == state]
        page = page_of(query, rows)
        page["results"] = [self._with_included(one, query) for one in page["results"]]
        return Answer(200, page)

    def get(self, call: Call) -> Answer:
        """getListing: by its id."""
        return Answer(200, self._with_included(self.found(call), query_of(call.request)))

    def update(self, call: Call) -> Answer:
        """updateListing: changes what is sent; to activate is billed unless it was inactive."""
        own_shop(call)
        listing = self.found(call)
        values = read_form(self._state, form_of(call.request), creates=False)
        wanted = values.pop("state", None)
        kind = values.pop("type", None) or listing["listing_type"]
        changed = listing | _jsonable(values) | {"listing_type": kind}
        images = self._chosen_images(listing["listing_id"], values.get("image_ids"))
        if wanted == "active":
            self._check_active(changed, images)
        if wanted == "inactive" and listing["state"] == "draft":
            raise refused(409, "A draft cannot be deactivated")
        # Nothing is changed before everything is found to be in order.
        if wanted == "active":
            self._activate(changed)
        elif wanted == "inactive":
            changed["state"] = "inactive"
        now = self._state.timestamp()
        changed |= {"last_modified_timestamp": now, "updated_timestamp": now}
        self._state.listings[listing["listing_id"]] = changed
        self._state.images[listing["listing_id"]] = images
        return Answer(200, copy.deepcopy(changed))

    def delete(self, call: Call) -> Answer:
        """deleteListing: by its id."""
        listing_id = self.found(call)["listing_id"]
        for kept in (self._state.listings, self._state.images, self._state.inventories):
            del kept[listing_id]
        return Answer(204)

    def found(self, call: Call) -> Record:
        """Return the listing that the path names.

        Raises:
            Refused: 404.
        """
        listing_id = identifier(call, "listing_id")
        if listing_id not in self._state.listings:
            raise refused(404, f"Could not find a listing with listing_id = {listing_id}")
        return self._state.listings[listing_id]

    def _chosen_images(self, listing_id: int, image_ids: list[int] | None) -> list[Record]:
        """Return the images that stay, in their new order."""
        images = self._state.images[listing_id]
        if image_ids is None:
            return images
        by_id = {image["listing_image_id"]: image for image in images}
        if unknown := set(image_ids) - set(by_id):
            raise refused(400, f"Invalid image_ids: {sorted(unknown)}")
        return [by_id[one] | {"rank": rank} for rank, one in enumerate(image_ids, start=1)]

    def _check_active(self, listing: Record, images: list[Record]) -> None:
        if not images:
            raise refused(400, "A listing needs an image before it can be published")
        if listing["listing_type"] != "physical":
            return
        if listing["shipping_profile_id"] is None:
            raise refused(400, "A shipping profile is required for physical listings")
        if listing["return_policy_id"] is None and not self._state.in_eu:
            raise refused(400, "A return policy is required for active physical listings")

    def _activate(self, listing: Record) -> None:
        """Make a listing active, which costs a fee unless it was merely switched off."""
        listing_id = listing["listing_id"]
        if listing["state"] != "inactive":
            self._state.fees.append(EtsyFee("updateListing", listing_id, self._state.now()))
            listing["ending_timestamp"] = self._state.timestamp() + SECONDS_LISTED
        if listing["state"] == "sold_out":
            # So Etsy's document says: a sold-out listing comes back with one piece, whatever it
            # had.
            listing["quantity"] = 1
            offerings = self._state.inventories[listing_id]["products"][0]["offerings"]
            offerings[0]["quantity"] = 1
        listing |= {"state": "active", "state_timestamp": self._state.timestamp()}

    def _with_included(self, listing: Record, query: dict[str, str]) -> Record:
        # Copies leave the sandbox: an answer must not change when the listing does.
        shown = copy.deepcopy(listing)
        listing_id = listing["listing_id"]
        for name in array(query.get("includes", "")):
            if name == "Images":
                shown["images"] = copy.deepcopy(self._state.images[listing_id])
            elif name == "Inventory":
                shown["inventory"] = shown_inventory(self._state.inventories[listing_id])
            else:
                raise refused(400, f"Invalid value for includes: {name!r}")
        # SKUs belong to the inventory, so a draft whose inventory was not sent yet shows none.
        products = self._state.inventories[listing_id]["products"]
        shown["skus"] = [product["sku"] for product in products if product["sku"]]
        return shown


def own_shop(call: Call) -> None:
    """Check that the path is of the seller's own shop.

    Raises:
        Refused: 403.
    """
    if identifier(call, "shop_id") != SHOP_ID:
        raise refused(403, "You do not own this shop")


def _jsonable(values: dict[str, Any]) -> Record:
    return {
        name: float(value) if isinstance(value, Decimal) else value
        for name, value in values.items()
        if name in _SHOWN
    }


def _blank(listing_id: int, now: int) -> Record:
    return {
        "listing_id": listing_id,
        "user_id": USER_ID,
        "shop_id": SHOP_ID,
        "state": "draft",
        "creation_timestamp": now,
        "created_timestamp": now,
        "ending_timestamp": now + SECONDS_LISTED,
        "original_creation_timestamp": now,
        "last_modified_timestamp": now,
        "updated_timestamp": now,
        "state_timestamp": now,
        "featured_rank": -1,
        "url": f"https://www.etsy.com/listing/{listing_id}",
        "num_favorers": 0,
        "non_taxable": False,
        "is_private": False,
        "file_data": "",
        "has_variations": False,
        "language": "fr",
        "suggested_title": None,
        **dict.fromkeys(_NULLABLE),
        **dict.fromkeys(_FLAGS, False),
        "tags": [],
        "materials": [],
        "style": [],
    }


_NULLABLE = (
    "shop_section_id", "shipping_profile_id", "return_policy_id", "processing_min",
    "processing_max", "item_weight", "item_weight_unit", "item_length", "item_width",
    "item_height", "item_dimensions_unit", "readiness_state_id",
)  # fmt: skip
_FLAGS = ("is_taxable", "is_customizable", "is_personalizable", "is_supply", "should_auto_renew")
_SHOWN = {
    "title", "description", "quantity", "who_made", "when_made", "taxonomy_id", "featured_rank",
    "tags", "materials", *_NULLABLE, *_FLAGS,
}  # fmt: skip
