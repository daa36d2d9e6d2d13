"""A simulated seller on Vinted, for the demo."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from plugins.vinted.sandbox.browser import SimulatedBrowser
from plugins.vinted.sandbox.faults import BrowserFaults
from plugins.vinted.sandbox.wardrobe import Wardrobe
from plugins.vinted.settings import VintedSettings
from runtime import Marketplace
from runtime.sandbox import Tally

PUBLISH = "VINTED_PUBLISH"
# A simulation has nothing against a fast seller.
SETTINGS = VintedSettings(call_seconds=0.1, jitter_seconds=0)


class _VintedAccount:
    settings: Mapping[str, Any] = {}

    def __init__(self, name: str, listings: int, marketplace: Marketplace) -> None:
        self.marketplace = marketplace
        self.external_id = name
        self._wardrobe = Wardrobe.of(listings, shop_id=name)
        self._browser: SimulatedBrowser | None = None
        # Only a publishing loses its answer, so syncs show the usual case.
        self._faults = BrowserFaults(only=frozenset({PUBLISH}))
        self._to_lose = 0

    def credentials(self) -> None:
        """Return no credentials, because the browser is logged in and not the runtime."""

    @contextmanager
    def browser(self, url: str, user_id: int, token: str) -> Iterator[SimulatedBrowser]:
        """Open one tab, which answers repeated commands from memory."""
        tab = SimulatedBrowser(url, user_id, token, self._wardrobe, resume=True)
        tab.extension.faults = self._faults
        with tab:
            self._browser = tab
            yield tab

    def lose_an_answer(self) -> None:
        """Let the connection drop before the next answer is sent."""
        self._to_lose = 1
        self._faults.drop_after_executing = True

    def sell(self, sku: str) -> None:
        """Refuse, because the demo has no sales on Vinted."""
        raise ValueError(f"nobody buys {sku} here")

    def tally(self) -> Tally:
        """Count the items in the wardrobe, and the publishings that the browser executed."""
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
) -> Iterator[_VintedAccount]:
    """Open an account with a number of listings.

    Args:
        record: makes the record of Vinted from settings.
    """
    yield _VintedAccount(name, listings, record(SETTINGS))
