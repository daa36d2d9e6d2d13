"""Makes the rows in which the database stores listings of eBay. Pure."""

from typing import Any

from plugins.ebay.errors import Record
from runtime.store import ListingRow, checked_listing

_HOSTS = {
    "EBAY_US": "www.ebay.com",
    "EBAY_MOTORS_US": "www.ebay.com",
    "EBAY_GB": "www.ebay.co.uk",
    "EBAY_AU": "www.ebay.com.au",
    "EBAY_HK": "www.ebay.com.hk",
    "EBAY_MY": "www.ebay.com.my",
    "EBAY_SG": "www.ebay.com.sg",
}
_LEFT_OUT = frozenset({"listingDescription"})


def url_of(listing_id: str, marketplace_id: str | None) -> str:
    """Return the address of a listing for buyers; an unknown site gets the address of eBay USA."""
    site = marketplace_id or "EBAY_US"
    country = site.removeprefix("EBAY_")
    known = _HOSTS.get(site) or (f"www.ebay.{country.lower()}" if len(country) == 2 else None)
    return f"https://{known or _HOSTS['EBAY_US']}/itm/{listing_id}"


def listing_row(listing_id: str, offer: Record, title: object) -> ListingRow:
    """Return the row of a published offer."""
    summary = offer.get("pricingSummary")
    price = summary.get("price") if isinstance(summary, dict) else None
    amount: dict[str, Any] = price if isinstance(price, dict) else {}
    marketplace_id = offer.get("marketplaceId")
    return checked_listing(
        listing_id,
        data={name: value for name, value in offer.items() if name not in _LEFT_OUT},
        title=title if isinstance(title, str) else None,
        price=amount.get("value"),
        currency=amount.get("currency"),
        url=url_of(listing_id, marketplace_id if isinstance(marketplace_id, str) else None),
        sku=offer.get("sku"),
    )
