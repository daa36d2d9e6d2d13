"""publish_vinted over a real socket: whatever goes wrong, the wardrobe holds the item once."""

from collections.abc import Iterator
from typing import Any

import pytest

from plugins.vinted.sandbox import example_item
from runtime.process.config import Settings
from runtime.process.data_directory import media_directory
from runtime.rate_limits.closures import ClosureKind
from runtime.storage.selling.listing_changes import record_listing
from runtime.storage.selling.listing_rows import checked_listing
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, result_of
from tests.support.deadline import wait_until
from tests.support.marketplaces.vinted_seller import (
    Listing,
    Product,
    VintedShop,
    only,
    open_shop,
    product,
)


@pytest.fixture
def shop(settings: Settings, database: Database) -> Iterator[VintedShop]:
    with open_shop(settings, database, items=3) as opened:
        yield opened


def published(shop: VintedShop) -> list[str]:
    """The ids of the items of the product that are on sale."""
    return [str(one["id"]) for one in shop.wardrobe.items() if one["title"] == "Robe A-1"]


def test_puts_the_product_on_sale_and_stores_the_listing(shop: VintedShop) -> None:
    browser = shop.browser()
    job_id = shop.job("publish", product=product())
    job = shop.ended(job_id)
    (item,) = [one for one in shop.wardrobe.items() if one["title"] == "Robe A-1"]
    assert job.result_data == {
        "success": True, "external_id": str(item["id"]), "url": item["url"],
    }  # fmt: skip
    action, payload = browser.executed[-1]
    assert action == "VINTED_PUBLISH"
    assert payload["reference"].startswith(f"job-{job_id}-")
    assert payload["product"] == product() | {
        "quantity": 1, "size": None, "color": None, "attributes": {},
    }  # fmt: skip
    (listing,) = shop.rows(Listing)
    assert (listing.external_id, listing.status, listing.product_key) == (
        str(item["id"]), "live", "sku:A-1",
    )  # fmt: skip


def test_a_file_that_is_no_image_is_never_sent(shop: VintedShop) -> None:
    browser = shop.browser()
    (media_directory(shop.settings) / "notes.txt").write_text("cotton")
    job = shop.run("publish", product=product(images=["notes.txt"]))
    assert job.status == "failed"
    assert "notes.txt is no image (JPEG, PNG, GIF or WebP)" in (job.error_message or "")
    assert {action for action, _ in browser.executed} <= {"VINTED_GET_WARDROBE"}


def test_a_description_is_sent_without_the_blanks_around_it(shop: VintedShop) -> None:
    browser = shop.browser()
    shop.done("publish", product=product(description=f"Bleue{' ' * 40_000}\n"))
    _, payload = browser.executed[-1]
    assert payload["product"]["description"] == "Bleue"


def test_a_stored_product_is_published_as_it_is_there(shop: VintedShop) -> None:
    shop.browser()
    shop.add_products(product())
    (row,) = shop.rows(Product)
    job = shop.ended(add_job(shop.database, shop.shop_id, "publish", product_id=row.id))
    assert [result_of(job)["external_id"]] == published(shop)
    (listing,) = shop.rows(Listing)
    assert (listing.product_id, listing.product_key) == (row.id, f"id:{row.id}")


@pytest.mark.parametrize(
    "faults",
    [
        {"late": 0.3},
        {"late": 2.5},
        {"twice": True},
        {"never": True},
        {"fails_after_executing": 1},
        {"wordless": 1},
        {"shapeless": True},
        {"drop_after_executing": True},
        {"drop_after_executing": True, "never": True},
        {"never": True, "forgetful": True},
        {"shapeless": True, "forgetful": True},
    ],
    ids="-".join,
)
@pytest.mark.parametrize("resume", [False, True])
def test_a_bad_answer_leaves_the_item_on_sale_once(
    shop: VintedShop, faults: dict[str, Any], resume: bool
) -> None:
    shop.calls_end_early()
    browser = shop.browser(resume=resume)
    only(browser, "VINTED_PUBLISH", **faults)
    result = shop.done("publish", product=product())
    assert published(shop) == [result["external_id"]]
    assert shop.listings() == {result["external_id"]: "live"}


def test_an_answer_that_comes_after_the_look_changes_nothing(shop: VintedShop) -> None:
    shop.calls_end_early()
    slow = shop.browser()
    only(slow, "VINTED_PUBLISH", late=4.0)
    job_id = shop.job("publish", product=product())
    wait_until(lambda: published(shop))
    looking = shop.browser()
    result = result_of(shop.ended(job_id))
    assert "VINTED_GET_WARDROBE" in [name for name, _ in looking.executed]
    assert wait_until(lambda: slow.acknowledged[-1] == "unknown")
    assert published(shop) == [result["external_id"]]
    assert shop.listings() == {result["external_id"]: "live"}


def test_a_command_that_was_lost_is_sent_again_once_a_look_showed_that_nothing_happened(
    shop: VintedShop,
) -> None:
    shop.calls_end_early()
    browser = shop.browser()
    only(browser, "VINTED_PUBLISH", lost=1)
    job = shop.scene.ended(shop.job("publish", product=product()), seconds=60)
    assert job.status == "completed", job.error_message
    assert published(shop) == [result_of(job)["external_id"]]
    references = {one["reference"] for name, one in browser.executed if name == "VINTED_PUBLISH"}
    assert len(references) == 1


def test_an_older_plugin_that_cannot_show_the_wardrobe_publishes_all_the_same(
    shop: VintedShop,
) -> None:
    shop.browser().faults.older_plugin = True
    result = shop.done("publish", product=product())
    assert published(shop) == [result["external_id"]]


def test_an_older_plugin_that_does_not_answer_leaves_a_question_for_a_person(
    shop: VintedShop,
) -> None:
    shop.calls_end_early()
    browser = shop.browser()
    browser.faults.older_plugin = True
    browser.faults.only = frozenset({"VINTED_PUBLISH"})
    browser.faults.never = True
    job = shop.scene.reaches(shop.job("publish", product=product()), "paused")
    assert "did step 'publish' take effect on vinted?" in (job.waiting_reason or "")
    assert len(published(shop)) == 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("session_lost", ClosureKind.NEEDS_USER),
        ("captcha", ClosureKind.NEEDS_USER),
        ("rate_limited", ClosureKind.RATE_LIMIT),
    ],
)
def test_trouble_with_the_account_stops_the_shop_until_it_is_resumed(
    shop: VintedShop, fault: str, kind: ClosureKind
) -> None:
    browser = shop.browser()
    only(browser, "VINTED_PUBLISH", **{fault: True})
    job = shop.held_up(shop.job("publish", product=product()))
    assert (job.status, job.retry_count, published(shop)) == ("pending", 0, [])
    only(browser, "VINTED_PUBLISH", **{fault: False})
    assert kind in {one.kind for one in wait_until(shop.resume)}
    if kind is ClosureKind.NEEDS_USER:
        assert shop.ended(job.id).status == "completed"
        assert len(published(shop)) == 1
    writes = [name for name, _ in browser.executed if name == "VINTED_PUBLISH"]
    assert len(writes) == 1 + len(published(shop))


def test_a_wardrobe_that_cannot_be_read_for_the_moment_is_no_reason_to_trust_an_account(
    shop: VintedShop,
) -> None:
    browser = shop.browser()
    browser.faults.wrong_account = "999"
    only(browser, "VINTED_GET_WARDROBE", wordless=1)
    job_id = shop.job("publish", product=product())
    shop.waits(job_id, "logged in to Vinted as account 999")
    assert browser.extension.strayed == []


def test_nothing_is_sent_to_another_account(shop: VintedShop) -> None:
    browser = shop.browser()
    browser.faults.wrong_account = "999"
    jobs = [shop.job("publish", product=product(sku)) for sku in ("A-1", "A-2")]
    waits = shop.waits(jobs[0], "logged in to Vinted as account 999")
    assert (waits.status, waits.retry_count) == ("pending", 0)
    browser.faults.wrong_account = None
    (closure,) = wait_until(shop.resume)
    assert (closure.kind, closure.reason) == (ClosureKind.NEEDS_USER, waits.waiting_reason)
    assert [shop.ended(one).status for one in jobs] == ["completed", "completed"]
    assert browser.extension.strayed == []
    assert [name for name, _ in browser.executed].count("VINTED_PUBLISH") == 2


def test_an_item_that_was_linked_to_another_product_meanwhile_is_not_published_again(
    shop: VintedShop,
) -> None:
    shop.calls_end_early()
    browser = shop.browser()
    only(browser, "VINTED_PUBLISH", never=True)
    shop.add_products(product("B-1"))
    (other,) = shop.rows(Product)
    job_id = shop.job("publish", product=product())
    (item_id,) = wait_until(lambda: published(shop))
    with shop.database.session.begin() as session:
        record_listing(
            session, shop.shop_id, checked_listing(item_id, data={"id": item_id}), other.id
        )
    waits = shop.waits(job_id, "the item on sale is this job's")
    assert (waits.status, published(shop)) == ("paused", [item_id])


def test_two_tabs_publish_once(shop: VintedShop) -> None:
    tabs = [shop.browser(), shop.browser()]
    result = shop.done("publish", product=product())
    assert published(shop) == [result["external_id"]]
    wrote = [name for tab in tabs for name, _ in tab.executed if name == "VINTED_PUBLISH"]
    assert wrote == ["VINTED_PUBLISH"]


def test_two_products_that_look_the_same_get_a_listing_each(shop: VintedShop) -> None:
    shop.calls_end_early()
    browser = shop.browser()
    only(browser, "VINTED_PUBLISH", never=True)
    browser.extension.faults.forgetful = True
    twins = [product(sku, title="Robe") for sku in ("A-1", "A-2", "A-3")]
    jobs = [shop.job("publish", product=one) for one in twins]
    found = [result_of(shop.scene.ended(job_id))["external_id"] for job_id in jobs]
    assert len(set(found)) == 3
    assert shop.wardrobe.titles().count("Robe") == 3
    assert {one.product_key: one.external_id for one in shop.rows(Listing)} == {
        f"sku:{one['sku']}": external_id for one, external_id in zip(twins, found, strict=True)
    }


def test_an_older_item_that_looks_the_same_is_not_taken_for_it(shop: VintedShop) -> None:
    shop.calls_end_early()
    browser = shop.browser()
    older = shop.wardrobe.make(
        {"title": "Robe A-1", "price": {"amount": "12.50", "currency_code": "EUR"}}
    )
    only(browser, "VINTED_PUBLISH", lost=1)
    job = shop.scene.ended(shop.job("publish", product=product()), seconds=60)
    assert result_of(job)["external_id"] != str(older["id"])
    assert len(published(shop)) == 2


def test_what_cannot_be_sold_is_refused_before_anything_is_sent(shop: VintedShop) -> None:
    browser = shop.browser()
    flawed = product(title="x" * 101, description=" ", images=[], quantity=0)
    job = shop.run("publish", product=flawed)
    assert job.status == "failed"
    for word in ("title may have 100", "description is missing", "images", "quantity is 0"):
        assert word in (job.error_message or "")
    assert browser.executed == []


def test_a_publish_survives_the_loss_of_its_seller(shop: VintedShop) -> None:
    """The seller closes the laptop in the middle, other things are put on sale, then is back."""
    browser = shop.browser()
    only(browser, "VINTED_PUBLISH", never=True)
    job_id = shop.job("publish", product=product())
    wait_until(lambda: published(shop))
    browser.close()
    shop.waits(job_id, "not connected")
    for number in range(200, 320):
        shop.wardrobe.add(example_item(number))
    shop.browser()
    assert result_of(shop.ended(job_id))["external_id"] == published(shop)[0]
    assert len(published(shop)) == 1
