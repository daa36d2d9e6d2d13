"""A simulated seller on Etsy, for the demo."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr

from plugins.etsy.sandbox.server import EtsySandbox
from plugins.etsy.sandbox.state import CURRENCY, SHIPPING_PROFILE_ID
from plugins.etsy.settings import EtsySettings
from runtime import Marketplace
from runtime.sandbox import ApiAccount


class _EtsyAccount(ApiAccount[EtsySandbox]):
    publication = "updateListing"  # It activates the draft, which costs money.
    settings: Mapping[str, Any] = {
        "currency": CURRENCY,
        "who_made": "someone_else",
        "when_made": "2010_2019",
        "taxonomy_map": {"scarves": 374},
        "shipping_profile_id": str(SHIPPING_PROFILE_ID),
    }

    def sold(self) -> int:
        """Return the pieces of all lines of all receipts."""
        lines = [line for one in self._sandbox.orders for line in one["transactions"]]
        return sum(line["quantity"] for line in lines)

    def on_sale(self) -> int:
        """Count the listings that are active."""
        return sum(listing["state"] == "active" for listing in self._sandbox.listings.values())


@contextmanager
def open_account(record: Callable[[EtsySettings], Marketplace]) -> Iterator[_EtsyAccount]:
    """Open an account with an Etsy of its own, on which nothing is for sale yet.

    Args:
        record: makes Etsy's record out of settings.
    """
    with EtsySandbox() as sandbox:
        settings = EtsySettings(
            api_url=sandbox.url,
            auth_url=sandbox.url,
            keystring=sandbox.oauth.keystring,
            shared_secret=SecretStr(sandbox.oauth.shared_secret),
        )
        yield _EtsyAccount(str(sandbox.shop_id), record(settings), sandbox)
