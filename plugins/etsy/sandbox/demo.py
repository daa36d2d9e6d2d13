"""A simulated seller on Etsy, for the demo."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from plugins.etsy.marketplace import etsy
from plugins.etsy.sandbox.server import EtsySandbox
from plugins.etsy.sandbox.state import CURRENCY, SHIPPING_PROFILE_ID
from plugins.etsy.settings import EtsySettings
from runtime.sandbox import Credentials, Fault, Tally

SETTINGS = {
    "currency": CURRENCY,
    "who_made": "someone_else",
    "when_made": "2010_2019",
    "taxonomy_map": {"scarves": 374},
    "shipping_profile_id": str(SHIPPING_PROFILE_ID),
}


class _Account:
    settings = SETTINGS

    def __init__(self, sandbox: EtsySandbox) -> None:
        self.external_id = str(sandbox.shop_id)
        self._sandbox = sandbox
        self.marketplace = etsy(
            EtsySettings(
                api_url=sandbox.url,
                auth_url=sandbox.url,
                keystring=sandbox.oauth.keystring,
                shared_secret=SecretStr(sandbox.oauth.shared_secret),
            )
        )

    def credentials(self) -> Credentials:
        """Those of a consent."""
        given = self._sandbox.connect()
        expires = self._sandbox.now() + timedelta(seconds=given["expires_in"])
        return Credentials(given["access_token"], expires, given["refresh_token"])

    def browser(self, url: str, user_id: int, token: str) -> AbstractContextManager[Any]:  # noqa: ARG002 - the interface
        """Etsy needs none."""
        return nullcontext()

    def lose_an_answer(self) -> None:
        """500, although the draft was activated, which costs money."""
        self._sandbox.faults.plan("updateListing", Fault.DONE_BUT_FAILED)

    def sell(self, sku: str) -> None:
        """One piece to one buyer."""
        self._sandbox.sell(sku)

    def tally(self) -> Tally:
        """What Etsy knows."""
        listings = self._sandbox.listings.values()
        sold = [line for one in self._sandbox.orders for line in one["transactions"]]
        return Tally(
            published=len(self._sandbox.fees),
            lost_answers=self._sandbox.faults.happened,
            sold=sum(line["quantity"] for line in sold),
            on_sale=sum(listing["state"] == "active" for listing in listings),
        )


@contextmanager
def open_account(name: str, listings: int) -> Iterator[_Account]:  # noqa: ARG001 - the interface
    """An account with an Etsy of its own, on which nothing is for sale yet."""
    with EtsySandbox() as sandbox:
        yield _Account(sandbox)
