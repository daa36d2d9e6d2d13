"""Checks eBay's demands on a product and a shop, and brings both into eBay's shapes. Pure.

Everything is checked before anything is sent, so a job names all that is missing at once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from plugins.ebay.errors import Record
from plugins.ebay.offers import FORMAT
from runtime import PROGRAM, JobFailed, is_image_url, product_to_sell, refuse_flaws

# Beyond these limits eBay refuses an item.
LONGEST_SKU = 50
LONGEST_TITLE = 80
LONGEST_DESCRIPTION = 4_000
MOST_IMAGES = 24
LANGUAGES = {
    "EBAY_AT": "de-AT", "EBAY_AU": "en-AU", "EBAY_CA": "en-CA", "EBAY_CH": "de-CH",
    "EBAY_DE": "de-DE", "EBAY_ES": "es-ES", "EBAY_FR": "fr-FR", "EBAY_GB": "en-GB",
    "EBAY_IE": "en-IE", "EBAY_IT": "it-IT", "EBAY_NL": "nl-NL", "EBAY_PL": "pl-PL",
}  # fmt: skip
"""The language of each site, if the shop does not name another; any other site gets en-US."""
POLICIES = {
    "fulfillment_policy_id": "fulfillmentPolicyId",
    "payment_policy_id": "paymentPolicyId",
    "return_policy_id": "returnPolicyId",
}
CONDITIONS = frozenset(
    {
        "NEW", "LIKE_NEW", "NEW_OTHER", "NEW_WITH_DEFECTS", "MANUFACTURER_REFURBISHED",
        "CERTIFIED_REFURBISHED", "EXCELLENT_REFURBISHED", "VERY_GOOD_REFURBISHED",
        "GOOD_REFURBISHED", "SELLER_REFURBISHED", "USED_EXCELLENT", "USED_VERY_GOOD",
        "USED_GOOD", "USED_ACCEPTABLE", "FOR_PARTS_OR_NOT_WORKING", "PRE_OWNED_EXCELLENT",
        "PRE_OWNED_FAIR",
    }
)  # fmt: skip
"""The conditions of eBay. Only eBay knows which of them a category accepts."""
_NEEDED = ("marketplace_id", *POLICIES, "merchant_location_key")
_ASPECTS = {"brand": "Brand", "size": "Size", "color": "Color"}


@dataclass(frozen=True, slots=True)
class Terms:
    """A product, fit for a shop on eBay.

    Attributes:
        product: the product, with every field of :mod:`runtime.products.product`.
        category_id, condition: in eBay's terms; None if the product names none.
        currency: None if neither product nor shop names a currency.
    """

    product: dict[str, Any]
    settings: Mapping[str, Any]
    category_id: str | None
    condition: str | None
    currency: str | None

    @property
    def sku(self) -> str:
        """The product's SKU, which is also its SKU on eBay."""
        return str(self.product["sku"])

    @property
    def title(self) -> str:
        """The title as buyers see it."""
        return str(self.product["title"]).strip()

    def item(self, image_urls: list[str]) -> Record:
        """Return the changes of the inventory item; everything else in it stays."""
        product = self.product
        details: Record = {"title": self.title}
        # A field that the product leaves empty is left out, so that the item on eBay keeps its own.
        if description := product["description"].strip():
            details["description"] = description
        if image_urls:
            details["imageUrls"] = image_urls
        if product["brand"]:
            details["brand"] = product["brand"]
        if aspects := _aspects(product, self.settings):
            details["aspects"] = aspects
        item: Record = {
            "availability": {"shipToLocationAvailability": {"quantity": product["quantity"]}},
            "product": details,
        }
        if self.condition is not None:
            item["condition"] = self.condition
        return item

    def offer(self) -> Record:
        """Return a whole offer."""
        return {
            "sku": self.sku,
            "marketplaceId": self.settings["marketplace_id"],
            "format": FORMAT,
            **self.changed_terms(),
            # eBay accepts no other duration for a fixed price.
            "listingDuration": "GTC",
            "listingPolicies": {theirs: self.settings[ours] for ours, theirs in POLICIES.items()},
            "merchantLocationKey": self.settings["merchant_location_key"],
        }

    def changed_terms(self, known: Record | None = None) -> Record:
        """Return the part of an offer that depends on the product: price, quantity, category.

        Args:
            known: the offer as it is. If it has a description of its own, this hides the one of
                the item, and is changed as well.
        """
        # eBay takes the amount as text, so that the product's own text goes out unchanged.
        price: Record = {"value": self.product["price"]}
        if self.currency is not None:
            price["currency"] = self.currency
        terms: Record = {
            "availableQuantity": self.product["quantity"],
            "pricingSummary": {"price": price},
        }
        if self.category_id is not None:
            terms["categoryId"] = self.category_id
        description = self.product["description"].strip()
        if description and known and known.get("listingDescription"):
            terms["listingDescription"] = description
        return terms


def publishable(product: dict[str, Any] | None, settings: Mapping[str, Any]) -> Terms:
    """Return the product, if it has all that eBay demands of a listing.

    Raises:
        JobFailed: product or shop lack something; the message names everything at once.
    """
    terms, flaws = _read(product, settings)
    described = terms.product
    flaws += [
        f"{name} is missing"
        for name, given in (
            ("description", described["description"].strip()),
            ("images", described["images"]),
        )
        if not given
    ]
    if terms.condition is None and described["condition"] is None:
        flaws.append("condition is missing")
    if terms.category_id is None and described["category"] is None:
        flaws.append("category is missing")
    if terms.currency is None:
        flaws.append("currency is missing, in the product and in the shop's settings")
    if described["quantity"] < 1:
        flaws.append("quantity is 0: nothing is left to sell")
    missing = [name for name in _NEEDED if not settings.get(name)]
    _demand(terms.sku, flaws, missing)
    return terms


def updatable(product: dict[str, Any] | None, settings: Mapping[str, Any]) -> Terms:
    """Return the product for a change of its listing, which keeps all that the product leaves out.

    Raises:
        JobFailed: something is wrong; the message names everything at once.
    """
    terms, flaws = _read(product, settings)
    _demand(terms.sku, flaws, [] if settings.get("marketplace_id") else ["marketplace_id"])
    return terms


def language_of(settings: Mapping[str, Any]) -> str:
    """Return the language of a shop's texts, such as ``fr-FR``."""
    site = str(settings.get("marketplace_id"))
    return str(settings.get("language") or LANGUAGES.get(site, "en-US"))


def check_addresses(image_urls: list[str]) -> None:
    """Make sure that eBay can fetch the images.

    Raises:
        JobFailed: the address of an image is not https.
    """
    if not all(is_image_url(url) for url in image_urls):
        raise JobFailed(
            "eBay fetches images over https only: let the media directory be reached at an "
            "https address (RUNTIME_MEDIA_URL), or give the product URLs; nothing was sent"
        )


def _read(product: dict[str, Any] | None, settings: Mapping[str, Any]) -> tuple[Terms, list[str]]:
    checked = product_to_sell(product)
    flaws = list(_flaws(checked))
    category = _mapped(checked["category"], settings.get("category_map"))
    # A number is taken for eBay's own id of a category, which needs no map.
    if checked["category"] and category is None and checked["category"].isdecimal():
        category = checked["category"]
    elif checked["category"] and category is None:
        flaws.append(f"category_map of the shop does not hold the category {checked['category']!r}")
    condition = _mapped(checked["condition"], settings.get("condition_map"))
    if checked["condition"] and condition is None:
        # Without an entry in the map it may be eBay's own word, such as "used good" for USED_GOOD.
        condition = checked["condition"].strip().upper().replace(" ", "_")
    if condition is not None and condition not in CONDITIONS:
        flaws.append(
            f"condition_map of the shop does not make a condition of eBay of "
            f"{checked['condition']!r}"
        )
    currency = settings.get("currency") or checked["currency"]
    # A price in another currency is not converted. As a bare number it would be wrong in the shop.
    if checked["currency"] not in {None, currency}:
        flaws.append(f"currency is {checked['currency']}, and the shop sells in {currency}")
    return Terms(checked, settings, category, condition, currency), flaws


def _flaws(product: dict[str, Any]) -> Iterator[str]:
    if len(product["sku"]) > LONGEST_SKU:
        yield f"sku may have {LONGEST_SKU} characters"
    if not product["title"].strip():
        yield "title is missing"
    if len(product["title"].strip()) > LONGEST_TITLE:
        yield f"title may have {LONGEST_TITLE} characters"
    if len(product["description"].strip()) > LONGEST_DESCRIPTION:
        yield f"description may have {LONGEST_DESCRIPTION:,} characters"
    if len(product["images"]) > MOST_IMAGES:
        yield f"images may be {MOST_IMAGES} at most"
    aspects = product["attributes"].get("aspects", {})
    if not isinstance(aspects, dict) or not all(_is_aspect(value) for value in aspects.values()):
        yield 'attributes.aspects must be an object such as {"Style": ["Casual"]}'


def _demand(sku: str, flaws: list[str], missing: list[str]) -> None:
    told = list(flaws)
    if missing:
        assignments = " ".join(f"{name}=…" for name in missing)
        told.append(
            f"the shop has no {', '.join(missing)} (`{PROGRAM} shops set ID {assignments}`)"
        )
    refuse_flaws(sku, "eBay", told)


def _mapped(value: str | None, table: object) -> str | None:
    """Return the entry of the shop's table for a value, or None."""
    if value is None or not isinstance(table, dict):
        return None
    found = table.get(value)
    return None if found is None else str(found)


def _aspects(product: dict[str, Any], settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the product's aspects, under the names of the shop's site."""
    given = settings.get("aspect_map")
    names = {**_ASPECTS, **(given if isinstance(given, dict) else {})}
    found = {
        str(name): [product[field]]
        for field, name in names.items()
        if field in _ASPECTS and name and product[field]
    }
    for name, value in product["attributes"].get("aspects", {}).items():
        found[name] = value if isinstance(value, list) else [value]
    return found


def _is_aspect(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(isinstance(one, str) and one for one in values)
