"""A seller with two tabs, over a real socket: whichever carries a job out, it is done once."""

from collections.abc import Iterator
from typing import Any

import pytest

from plugins.vinted.sandbox import (
    SimulatedBrowser,
    example_conversation,
    example_item,
    example_order,
)
from runtime.http import download
from runtime.process.config import Settings
from runtime.storage.server.engine import Database
from tests.support.deadline import wait_until
from tests.support.marketplaces.vinted_seller import (
    Order,
    Product,
    VintedShop,
    only,
    open_shop,
    product,
)

TALK = example_conversation(1)["id"]
ITEM = str(example_item(1)["id"])
BEFORE = {"items": 3, "robes": 0, "said": 0, "live": 2, "orders": 0, "products": 0}
JOBS: dict[str, tuple[str, dict[str, Any], dict[str, int]]] = {
    "publish": ("VINTED_PUBLISH", {"product": product()}, {"items": 4, "robes": 1, "live": 3}),
    "update": (
        "VINTED_UPDATE", {"product": product(), "external_id": ITEM}, {"robes": 1},
    ),
    "delete": ("VINTED_DELETE", {"external_id": ITEM}, {"items": 2, "live": 1}),
    "message": ("VINTED_MESSAGE", {"conversation_id": TALK, "text": "Yes."}, {"said": 1}),
    "orders": ("VINTED_ORDERS", {}, {"orders": 1}),
    "sync": ("VINTED_SYNC", {}, {"live": 3}),
    "link_product": ("VINTED_API_CALL", {"external_id": ITEM}, {"products": 1}),
}  # fmt: skip
"""For each action: what the browser is asked for, the job's input, and what it changes."""


@pytest.fixture
def shop(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[VintedShop]:
    """Two listings that are known, an item that is not, a sale, and a buyer who asks."""
    monkeypatch.setattr(download, "fetch_image", lambda url, limits: b"\x89PNG\r\n\x1a\n")
    with open_shop(settings, database, items=2) as opened:
        opened.wardrobe.open_conversation(example_conversation(1))
        opened.wardrobe.change(ITEM, {"photos": [{"url": "https://img.example/1.png"}]})
        opened.browser(resume=True)
        opened.done("sync")
        opened.wardrobe.add(example_item(3))
        opened.wardrobe.sell(example_order(9))
        yield opened


def held(shop: VintedShop) -> dict[str, int]:
    """How much of everything there is, on Vinted and here."""
    messages = shop.messages(TALK)
    return {
        "items": len(shop.wardrobe.items()),
        "robes": shop.wardrobe.titles().count("Robe A-1"),
        "said": sum(one["from_seller"] for one in messages),
        "live": list(shop.listings().values()).count("live"),
        "orders": len(shop.rows(Order)),
        "products": len(shop.rows(Product)),
    }


def close_once_it_was_asked(tab: SimulatedBrowser, command: str) -> None:
    """The seller closes the tab that carries the command out, before it answers."""
    wait_until(lambda: command in [name for name, _ in tab.executed])
    tab.close()


@pytest.mark.parametrize("action", JOBS)
def test_one_of_two_tabs_carries_it_out(shop: VintedShop, action: str) -> None:
    command, given, changed = JOBS[action]
    assert held(shop) == BEFORE
    asked = len(shop.browsers[0].executed)
    tab = shop.second_tab()
    shop.done(action, **given)
    assert held(shop) == BEFORE | changed
    assert len(shop.browsers[0].executed) == asked
    assert [name for name, _ in tab.executed].count(command) == 1


@pytest.mark.parametrize("action", JOBS)
def test_the_tab_is_closed_before_it_answers_and_another_was_open_all_along(
    shop: VintedShop, action: str
) -> None:
    shop.calls_end_early()
    command, given, changed = JOBS[action]
    tab = shop.second_tab()
    only(tab, command, never=True)
    job_id = shop.job(action, **given)
    close_once_it_was_asked(tab, command)
    assert shop.ended(job_id).status == "completed"
    assert held(shop) == BEFORE | changed


@pytest.mark.parametrize("action", JOBS)
def test_the_tab_is_closed_before_it_answers_and_another_is_opened(
    shop: VintedShop, action: str
) -> None:
    shop.calls_end_early()
    command, given, changed = JOBS[action]
    tab = shop.browsers[0]
    tab.executed.clear()
    only(tab, command, never=True)
    job_id = shop.job(action, **given)
    close_once_it_was_asked(tab, command)
    shop.second_tab()
    assert shop.ended(job_id).status == "completed"
    assert held(shop) == BEFORE | changed
