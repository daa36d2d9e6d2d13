"""A simulated seller on eBay, for the demo."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from plugins.ebay.marketplace import ebay
from plugins.ebay.sandbox.server import LOCATION, MARKETPLACE, EbaySandbox
from plugins.ebay.settings import EbaySettings
from runtime.sandbox import Credentials, Fault, Tally

SETTINGS = {
    "marketplace_id": MARKETPLACE,
    "currency": "EUR",
    "fulfillment_policy_id": "fulfillment-1",
    "payment_policy_id": "payment-1",
    "return_policy_id": "return-1",
    "merchant_location_key": LOCATION,
    "category_map": {"scarves": "45238"},
    "condition_map": {"good": "USED_GOOD"},
}


class _Account:
    settings = SETTINGS

    def __init__(self, name: str, sandbox: EbaySandbox) -> None:
        self.external_id = name
        self._sandbox = sandbox
        self.marketplace = ebay(
            EbaySettings(
                api_url=sandbox.url,
                auth_url=sandbox.url,
                client_id=sandbox.oauth.client_id,
                client_secret=SecretStr(sandbox.oauth.client_secret),
                runame=sandbox.oauth.runame,
            )
        )

    def credentials(self) -> Credentials:
        """Those of a consent."""
        given = self._sandbox.connect()
        expires = self._sandbox.now() + timedelta(seconds=given["expires_in"])
        return Credentials(given["access_token"], expires, given["refresh_token"])

    def browser(self, url: str, user_id: int, token: str) -> AbstractContextManager[Any]:  # noqa: ARG002 - the interface
        """EBay needs none."""
        return nullcontext()

    def lose_an_answer(self) -> None:
        """500, although the offer was published."""
        self._sandbox.faults.plan("publishOffer", Fault.DONE_BUT_FAILED)

    def sell(self, sku: str) -> None:
        """One piece to one buyer."""
        self._sandbox.sell(sku)

    def tally(self) -> Tally:
        """What eBay knows."""
        listings = self._sandbox.listings.values()
        return Tally(
            published=len(self._sandbox.fees),
            lost_answers=self._sandbox.faults.happened,
            sold=sum(order["lineItems"][0]["quantity"] for order in self._sandbox.orders),
            on_sale=sum(one["listing"]["listingStatus"] == "ACTIVE" for one in listings),
        )


@contextmanager
def open_account(name: str, listings: int) -> Iterator[_Account]:  # noqa: ARG001 - the interface
    """An account with an eBay of its own, on which nothing is for sale yet."""
    with EbaySandbox() as sandbox:
        yield _Account(name, sandbox)
