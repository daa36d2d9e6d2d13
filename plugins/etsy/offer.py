"""Makes a product into what Etsy's forms take, and checks it before anything is sent. Pure.

Values for which a product has no field stand in its ``attributes`` or, for all products of a
shop, in the shop's settings; an attribute is stronger.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plugins.etsy.texts import LONGEST_SKU, material_flaws, tag_flaws, title_flaws, words
from runtime import product_to_sell, refuse_flaws

MOST_IMAGES = 20
MOST_PIECES = 999
WHO_MADE = ("i_did", "someone_else", "collective")
_WHEN_MADE = re.compile(r"made_to_order|\d{4}s|\d{4}_\d{4}|before_\d{4}")
_IDS = ("shipping_profile_id", "return_policy_id", "readiness_state_id", "shop_section_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A product whose fields Etsy takes.

    Attributes:
        price: as text such as ``12.50``.
        ids: the ids of profiles and policies that the seller set up in the shop, by the names of
            Etsy's fields; those that are not set are left out.
        images: as in the product.
    """

    sku: str
    title: str
    description: str
    price: str
    currency: str | None
    quantity: int
    who_made: str
    when_made: str
    taxonomy_id: int
    is_supply: bool
    tags: tuple[str, ...]
    materials: tuple[str, ...]
    ids: Mapping[str, int]
    images: tuple[str, ...]

    @property
    def readiness_state_id(self) -> int | None:
        """Return the id of the time that a sale is prepared; None if the seller has set none."""
        return self.ids.get("readiness_state_id")

    def draft_form(self, description: str) -> dict[str, Any]:
        """Return the form of createDraftListing, with another description."""
        # Empty lists are left out of a draft. A change sends them, because otherwise tags that the
        # product lost would stay on Etsy.
        lists = {"tags": self.tags or None, "materials": self.materials or None}
        return {
            **self._form(),
            **lists,
            **self.ids,
            "description": description,
            "quantity": self.quantity,
            "price": self.price,
        }

    def changes_form(self) -> dict[str, Any]:
        """Return the form of updateListing, which takes everything but the inventory's fields."""
        # Price, quantity and readiness state belong to the inventory once a listing exists; the
        # form of a change knows no field for them.
        ids = {name: value for name, value in self.ids.items() if name != "readiness_state_id"}
        return {**self._form(), "tags": self.tags, "materials": self.materials, **ids}

    def _form(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "description": self.description,
            "who_made": self.who_made,
            "when_made": self.when_made,
            "taxonomy_id": self.taxonomy_id,
            "is_supply": self.is_supply,
        }


def checked_offer(
    product: dict[str, Any] | None, settings: Mapping[str, Any], *, publishes: bool
) -> Offer:
    """Return the product in the shape that Etsy takes.

    Args:
        settings: the settings of the shop.
        publishes: whether the product is to be published, which takes images and a piece to sell.

    Raises:
        JobFailed: names everything that is missing or wrong.
    """
    checked = product_to_sell(product)
    reading = _Reading(checked, settings)
    offer = reading.offer()
    # An update may come without images, which it leaves alone, and with a quantity of 0, which
    # takes the listing off sale.
    flaws = reading.flaws + (_stock_flaws(checked) if publishes else [])
    refuse_flaws(checked["sku"], "Etsy", flaws)
    assert offer is not None  # There is one where there are no flaws.
    return offer


def _stock_flaws(product: dict[str, Any]) -> list[str]:
    images = product["images"]
    return [
        flaw
        for wrong, flaw in (
            (not images, "images is missing: at least one is needed"),
            (len(images) > MOST_IMAGES, f"images may be {MOST_IMAGES} at most, not {len(images)}"),
            (product["quantity"] < 1, "quantity is 0: nothing is left to sell"),
        )
        if wrong
    ]


class _Reading:
    """Reads a product field by field, and notes each flaw instead of ending at the first.

    The seller then mends a product once, and not once for each flaw.
    """

    def __init__(self, product: dict[str, Any], settings: Mapping[str, Any]) -> None:
        self.flaws: list[str] = []
        self._product = product
        self._settings = settings
        self._attributes: dict[str, Any] = product["attributes"]

    def offer(self) -> Offer | None:
        """Return the offer; None if the product has a flaw."""
        product = self._product
        title, description = product["title"].strip(), product["description"].strip()
        self.flaws += title_flaws(title)
        self._check(bool(description), "description is missing")
        self._check(
            product["quantity"] <= MOST_PIECES,
            f"quantity may be {MOST_PIECES} at most, not {product['quantity']}",
        )
        self._check(
            len(product["sku"]) <= LONGEST_SKU, f"sku may have {LONGEST_SKU} characters on Etsy"
        )
        self._check_currency()
        who_made, when_made = self._who_made(), self._when_made()
        taxonomy_id = self._taxonomy_id()
        is_supply = self._attributes.get("is_supply", False)
        self._check(isinstance(is_supply, bool), "attributes.is_supply must be true or false")
        tags, materials = self._words("tags"), self._words("materials")
        self.flaws += tag_flaws(tags) + material_flaws(materials)
        ids = self._ids()
        if self.flaws or taxonomy_id is None:
            return None
        return Offer(
            sku=product["sku"],
            title=title,
            description=description,
            price=product["price"],
            currency=product["currency"] or self._settings.get("currency"),
            quantity=product["quantity"],
            who_made=who_made,
            when_made=when_made,
            taxonomy_id=taxonomy_id,
            is_supply=is_supply,
            tags=tags,
            materials=materials,
            ids=ids,
            images=tuple(product["images"]),
        )

    def _check(self, holds: bool, flaw: str) -> None:
        if not holds:
            self.flaws.append(flaw)

    def _given(self, name: str) -> Any:
        value = self._attributes.get(name)
        return self._settings.get(name) if value in (None, "") else value

    def _missing(self, name: str) -> None:
        self.flaws.append(f"{name} is missing: set it for the shop, or in attributes.{name}")

    def _check_currency(self) -> None:
        # Etsy's forms have no field for a currency: an amount counts in the shop's own.
        own, shops = self._product["currency"], self._settings.get("currency")
        self._check(
            own is None or shops is None or own == shops,
            f"currency is {own}, but the prices of the shop are in {shops}",
        )

    def _who_made(self) -> str:
        value = self._given("who_made")
        if value is None:
            self._missing("who_made")
        elif value not in WHO_MADE:
            self.flaws.append(f"who_made must be one of {', '.join(WHO_MADE)}, not {value!r}")
        return str(value)

    def _when_made(self) -> str:
        value = self._given("when_made")
        if value is None:
            self._missing("when_made")
        # Only the form is checked. Etsy's list of periods grows with the years (2020_2026), and a
        # copy of it here would refuse the next one.
        elif not _WHEN_MADE.fullmatch(str(value)):
            self.flaws.append(
                f"when_made must be such as made_to_order, 1990s or 2010_2019, not {value!r}"
            )
        return str(value)

    def _taxonomy_id(self) -> int | None:
        own = self._attributes.get("taxonomy_id")
        if own is not None:
            return self._identifier("attributes.taxonomy_id", own)
        category = self._product["category"]
        if category is None:
            self.flaws.append("category is missing, or attributes.taxonomy_id")
            return None
        known = self._settings.get("taxonomy_map")
        found = known.get(category) if isinstance(known, dict) else None
        if found is None:
            self.flaws.append(
                f"taxonomy_id is missing: the shop's taxonomy_map does not name category "
                f"{category!r}, nor is there attributes.taxonomy_id"
            )
            return None
        return self._identifier(f"taxonomy_map[{category!r}]", found)

    def _ids(self) -> dict[str, int]:
        ids: dict[str, int] = {}
        for name in _IDS:
            value = self._given(name)
            if value is None:
                if name == "shipping_profile_id":
                    self._missing(name)
                continue
            number = self._identifier(name, value)
            if number is not None:
                ids[name] = number
        return ids

    def _identifier(self, name: str, value: Any) -> int | None:
        text = str(value)
        # Settings are text and attributes may be numbers; True would be read as 1 otherwise.
        if isinstance(value, bool) or not text.isascii() or not text.isdigit() or not int(text):
            self.flaws.append(f"{name} must be a number from 1, not {value!r}")
            return None
        return int(text)

    def _words(self, name: str) -> tuple[str, ...]:
        found = words(self._attributes.get(name))
        if found is None:
            self.flaws.append(f"attributes.{name} must be a list of texts")
        return found or ()
