"""update_vinted and delete_vinted over a real socket."""

from collections.abc import Iterator
from typing import Any

import pytest

from runtime.process.config import Settings
from runtime.storage.server.engine import Database
from tests.support.marketplaces.vinted_seller import Listing, VintedShop, only, open_shop, product

BAD_ANSWERS = [
    {},
    {"late": 0.3},
    {"twice": True},
    {"fails_after_executing": 1},
    {"wordless": 1},
    {"shapeless": True},
    {"drop_after_executing": True},
    {"lost": 1},
]


@pytest.fixture
def shop(settings: Settings, database: Database) -> Iterator[VintedShop]:
    with open_shop(settings, database, items=3) as opened:
        opened.browser()
        yield opened


@pytest.fixture
def listed(shop: VintedShop) -> str:
    """The id of a product that is on sale."""
    return str(shop.done("publish", product=product())["external_id"])


@pytest.mark.parametrize("faults", BAD_ANSWERS, ids=lambda faults: "-".join(faults) or "well")
def test_an_update_arrives_whatever_becomes_of_its_answer(
    shop: VintedShop, listed: str, faults: dict[str, Any]
) -> None:
    shop.calls_end_early()
    only(shop.browsers[0], "VINTED_UPDATE", **faults)
    result = shop.done("update", product=product(title="Robe rouge", price="9"))
    assert result == {"success": True, "external_id": listed, "updated": [listed]}
    item = shop.item(listed)
    assert (item["title"], item["price"]["amount"]) == ("Robe rouge", "9.00")
    assert len(shop.wardrobe.items()) == 4
    (listing,) = shop.rows(Listing)
    assert (listing.title, str(listing.price), listing.status) == ("Robe rouge", "9.00", "live")


def test_an_update_that_is_never_answered_is_carried_out_and_the_next_one_finds_it_so(
    shop: VintedShop, listed: str
) -> None:
    only(shop.browsers[0], "VINTED_UPDATE", never=True)
    shop.unanswered("update", product=product(title="Robe rouge"))
    assert shop.item(listed)["title"] == "Robe rouge"
    assert (len(shop.wardrobe.items()), shop.listings()) == (4, {listed: "live"})
    shop.browsers[0].faults.never = False
    assert shop.done("update", product=product(title="Robe rouge"))["updated"] == [listed]
    assert (len(shop.wardrobe.items()), shop.rows(Listing)[0].title) == (4, "Robe rouge")


def test_a_listing_that_is_gone_cannot_be_updated_and_is_noted_as_gone(
    shop: VintedShop, listed: str
) -> None:
    shop.wardrobe.remove(listed)
    job = shop.run("update", product=product())
    assert job.status == "failed"
    assert f"the listing {listed} is gone from Vinted" in (job.error_message or "")
    assert shop.listings() == {listed: "gone"}
    again = shop.run("update", product=product())
    assert "is not on sale any more" in (again.error_message or "")


@pytest.mark.parametrize("faults", BAD_ANSWERS, ids=lambda faults: "-".join(faults) or "well")
def test_a_delete_leaves_nothing_on_sale_whatever_becomes_of_its_answer(
    shop: VintedShop, listed: str, faults: dict[str, Any]
) -> None:
    shop.calls_end_early()
    only(shop.browsers[0], "VINTED_DELETE", **faults)
    result = shop.done("delete", product=product())
    assert (result["success"], result["external_id"]) == (True, listed)
    assert result["deleted"] + result["already_gone"] == [listed]
    assert shop.wardrobe.find(listed) is None
    assert len(shop.wardrobe.items()) == 3
    assert shop.listings() == {listed: "gone"}


def test_a_delete_that_is_never_answered_is_carried_out_and_the_next_one_finds_it_so(
    shop: VintedShop, listed: str
) -> None:
    only(shop.browsers[0], "VINTED_DELETE", never=True)
    shop.unanswered("delete", product=product())
    assert shop.wardrobe.find(listed) is None
    assert (len(shop.wardrobe.items()), shop.listings()) == (3, {listed: "live"})
    shop.browsers[0].faults.never = False
    assert shop.done("delete", product=product())["already_gone"] == [listed]
    assert (len(shop.wardrobe.items()), shop.listings()) == (3, {listed: "gone"})


def test_what_is_gone_already_is_as_good_as_deleted(shop: VintedShop, listed: str) -> None:
    shop.wardrobe.remove(listed)
    assert shop.done("delete", product=product())["already_gone"] == [listed]
    assert shop.done("delete", product=product()) == {
        "success": True, "external_id": None, "deleted": [], "already_gone": [],
    }  # fmt: skip


def test_a_listing_may_be_named_by_its_id(shop: VintedShop) -> None:
    wanted = str(shop.wardrobe.items()[1]["id"])
    shop.done("sync")
    assert shop.done("delete", external_id=wanted)["deleted"] == [wanted]
    assert shop.listings()[wanted] == "gone"


@pytest.mark.parametrize("action", ["update", "delete"])
def test_a_product_that_was_never_listed_is_no_reason_to_send_anything(
    shop: VintedShop, action: str
) -> None:
    job = shop.run(action, product=product("other"))
    assert job.status == "failed"
    assert "no listing of the product is known" in (job.error_message or "")
    assert shop.browsers[0].executed == []


@pytest.mark.parametrize("action", ["update", "delete"])
@pytest.mark.parametrize(
    "faults", [{"session_lost": True}, {"captcha": True}, {"rate_limited": True}], ids=str
)
def test_trouble_with_the_account_changes_nothing(
    shop: VintedShop, listed: str, action: str, faults: dict[str, Any]
) -> None:
    only(shop.browsers[0], f"VINTED_{action.upper()}", **faults)
    shop.held_up(shop.job(action, product=product(title="Robe rouge")))
    assert shop.item(listed)["title"] == "Robe A-1"
    assert shop.listings() == {listed: "live"}


@pytest.mark.parametrize("action", ["update", "delete"])
def test_another_accounts_items_are_left_alone(shop: VintedShop, listed: str, action: str) -> None:
    shop.browsers[0].faults.wrong_account = "999"
    shop.held_up(shop.job(action, product=product()))
    assert shop.browsers[0].extension.strayed == []
    assert shop.listings() == {listed: "live"}
