"""A simulated seller on eBay, for the demo."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr

from plugins.ebay.sandbox.server import LOCATION, MARKETPLACE, EbaySandbox
from plugins.ebay.settings import EbaySettings
from runtime import Marketplace
from runtime.sandbox import ApiAccount


class _EbayAccount(ApiAccount[EbaySandbox]):
    publication = "publishOffer"
    settings: Mapping[str, Any] = {
        "marketplace_id": MARKETPLACE,
        "currency": "EUR",
        "fulfillment_policy_id": "fulfillment-1",
        "payment_policy_id": "payment-1",
        "return_policy_id": "return-1",
        "merchant_location_key": LOCATION,
        "category_map": {"scarves": "45238"},
        "condition_map": {"good": "USED_GOOD"},
    }

    def sold(self) -> int:
        """Return the pieces of the only line of each order."""
        return sum(order["lineItems"][0]["quantity"] for order in self._sandbox.orders)

    def on_sale(self) -> int:
        """Count the listings that have not ended."""
        listings = self._sandbox.listings.values()
        return sum(one["listing"]["listingStatus"] == "ACTIVE" for one in listings)


@contextmanager
def open_account(
    name: str, record: Callable[[EbaySettings], Marketplace]
) -> Iterator[_EbayAccount]:
    """Open an account with an eBay of its own, on which nothing is for sale yet.

    Args:
        record: makes eBay's record out of settings.
    """
    with EbaySandbox() as sandbox:
        settings = EbaySettings(
            api_url=sandbox.url,
            auth_url=sandbox.url,
            client_id=sandbox.oauth.client_id,
            client_secret=SecretStr(sandbox.oauth.client_secret),
            runame=sandbox.oauth.runame,
        )
        yield _EbayAccount(name, record(settings), sandbox)
