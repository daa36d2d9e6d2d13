"""A simulated seller on Vinted, for the demo."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from plugins.vinted.sandbox.browser import SimulatedBrowser
from plugins.vinted.sandbox.faults import Faults
from plugins.vinted.sandbox.wardrobe import Wardrobe
from plugins.vinted.settings import VintedSettings
from runtime import Marketplace
from runtime.sandbox import Tally

PUBLISH = "VINTED_PUBLISH"
SETTINGS = VintedSettings(call_seconds=0.1, jitter_seconds=0)


class _Account:
    settings: Mapping[str, Any] = {}

    def __init__(self, name: str, listings: int, marketplace: Marketplace) -> None:
        self.marketplace = marketplace
        self.external_id = name
        self._wardrobe = Wardrobe.of(listings, shop_id=name)
        self._browser: SimulatedBrowser | None = None
        self._faults = Faults(only=frozenset({PUBLISH}))
        self._to_lose = 0

    def credentials(self) -> None:
        """It is the browser that is logged in."""

    @contextmanager
    def browser(self, url: str, user_id: int, token: str) -> Iterator[SimulatedBrowser]:
        """One tab, which answers from memory what it has done before."""
        tab = SimulatedBrowser(url, user_id, token, self._wardrobe, resume=True)
        tab.extension.faults = self._faults
        with tab:
            self._browser = tab
            yield tab

    def lose_an_answer(self) -> None:
        """The connection drops before the answer is sent."""
        self._to_lose = 1
        self._faults.drop_after_executing = True

    def sell(self, sku: str) -> None:
        """Sales on Vinted are no part of the demo."""
        raise ValueError(f"nobody buys {sku} here")

    def tally(self) -> Tally:
        """What is in the wardrobe, and what the browser was told to publish."""
        executed = self._browser.executed if self._browser else []
        return Tally(
            published=sum(action == PUBLISH for action, _ in executed),
            lost_answers=self._to_lose - self._faults.drop_after_executing,
            sold=0,
            on_sale=len(self._wardrobe.items()),
        )


@contextmanager
def open_account(
    name: str, listings: int, record: Callable[[VintedSettings], Marketplace]
) -> Iterator[_Account]:
    """Open an account with so many listings.

    Args:
        record: makes Vinted's record out of settings.
    """
    yield _Account(name, listings, record(SETTINGS))
