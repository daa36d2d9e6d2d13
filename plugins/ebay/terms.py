"""What eBay demands of a product and of a shop's settings, and what they are in eBay's shapes.

Pure; checked as a whole before anything is sent.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from plugins.ebay.errors import Record
from plugins.ebay.offers import FORMAT
from runtime import PROGRAM, JobFailed, is_image_url, product_to_sell, refuse_flaws

LONGEST_SKU = 50
LONGEST_TITLE = 80
LONGEST_DESCRIPTION = 4_000
MOST_IMAGES = 24
LANGUAGES = {
    "EBAY_AT": "de-AT", "EBAY_AU": "en-AU", "EBAY_CA": "en-CA", "EBAY_CH": "de-CH",
    "EBAY_DE": "de-DE", "EBAY_ES": "es-ES", "EBAY_FR": "fr-FR", "EBAY_GB": "en-GB",
    "EBAY_IE": "en-IE", "EBAY_IT": "it-IT", "EBAY_NL": "nl-NL", "EBAY_PL": "pl-PL",
}  # fmt: skip
"""Of sites, where a shop does not name another; of any other site it is that of the USA."""
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
"""eBay's own; which of them a category knows, eBay says."""
_NEEDED = ("marketplace_id", *POLICIES, "merchant_location_key")
_ASPECTS = {"brand": "Brand", "size": "Size", "color": "Color"}


@dataclass(frozen=True, slots=True)
class Terms:
    """A product, fit for a shop on eBay.

    Attributes:
        product: with every field of :mod:`runtime.products.product`.
        category_id, condition: eBay's own; None where the product says nothing of it.
        currency: None where neither product nor shop names one.
    """

    product: dict[str, Any]
    settings: Mapping[str, Any]
    category_id: str | None
    condition: str | None
    currency: str | None

    @property
    def sku(self) -> str:
        """The product's SKU, which is eBay's."""
        return str(self.product["sku"])

    @property
    def title(self) -> str:
        """As buyers see it."""
        return str(self.product["title"]).strip()

    def item(self, image_urls: list[str]) -> Record:
        """What the inventory item must say, besides what it says already."""
        product = self.product
        details: Record = {"title": self.title}
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
        """A whole offer."""
        return {
            "sku": self.sku,
            "marketplaceId": self.settings["marketplace_id"],
            "format": FORMAT,
            **self.changed_terms(),
            "listingDuration": "GTC",
            "listingPolicies": {theirs: self.settings[ours] for ours, theirs in POLICIES.items()},
            "merchantLocationKey": self.settings["merchant_location_key"],
        }

    def changed_terms(self, known: Record | None = None) -> Record:
        """What of an offer depends on the product: price, quantity, category.

        Args:
            known: the offer as it is; a description of its own hides that of the item, so it is
                changed as well.
        """
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
    """The product with all that eBay demands of a listing.

    Raises:
        JobFailed: names everything of product and shop that is missing or wrong.
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
    """The product as far as it changes a listing; what it does not say stays as it is.

    Raises:
        JobFailed: names everything that is wrong.
    """
    terms, flaws = _read(product, settings)
    _demand(terms.sku, flaws, [] if settings.get("marketplace_id") else ["marketplace_id"])
    return terms


def language_of(settings: Mapping[str, Any]) -> str:
    """The language of what a shop writes, such as ``fr-FR``."""
    site = str(settings.get("marketplace_id"))
    return str(settings.get("language") or LANGUAGES.get(site, "en-US"))


def check_addresses(image_urls: list[str]) -> None:
    """See that eBay can fetch the images.

    Raises:
        JobFailed: one is not at https.
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
    if checked["category"] and category is None and checked["category"].isdecimal():
        category = checked["category"]
    elif checked["category"] and category is None:
        flaws.append(f"category_map of the shop does not hold the category {checked['category']!r}")
    condition = _mapped(checked["condition"], settings.get("condition_map"))
    if checked["condition"] and condition is None:
        condition = checked["condition"].strip().upper().replace(" ", "_")
    if condition is not None and condition not in CONDITIONS:
        flaws.append(
            f"condition_map of the shop does not make a condition of eBay of "
            f"{checked['condition']!r}"
        )
    currency = settings.get("currency") or checked["currency"]
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
    """What the shop's table makes of a value."""
    if value is None or not isinstance(table, dict):
        return None
    found = table.get(value)
    return None if found is None else str(found)


def _aspects(product: dict[str, Any], settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """The product's aspects, under the names that the shop's site has for them."""
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
