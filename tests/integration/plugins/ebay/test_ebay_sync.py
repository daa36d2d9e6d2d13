"""sync_ebay over real HTTP: what is stored, what is gone, and how little is kept of a walk."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from runtime.process.config import Settings
from runtime.sandbox import Fault
from runtime.storage.models import Listing
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import result_of
from tests.support.marketplaces.ebay_seller import EbayShop, open_ebay
from tests.support.marketplaces.sandboxes import EbayApp, ebay_item, ebay_offer

MANY = 450
"""Items: three pages."""


@pytest.fixture
def shop(settings: Settings, database: Database) -> Iterator[EbayShop]:
    with open_ebay(settings, database) as opened:
        yield opened


def fill(shop: EbayShop, count: int, first: int = 0) -> None:
    """Put so many items on sale, past HTTP."""
    state = shop.ebay._state
    with shop.ebay._lock:
        for number in range(first, first + count):
            sku = f"SKU-{number:05}"
            state.items[sku] = ebay_item(title=f"Title {sku}") | {"sku": sku, "locale": "fr_FR"}
            state.offers[f"{number}"] = ebay_offer(sku) | {
                "offerId": f"{number}",
                "status": "PUBLISHED",
                "listing": {"listingId": f"9{number:05}", "listingStatus": "ACTIVE"},
            }


def pages_of(shop: EbayShop, job_id: int) -> list[int]:
    """How large the recorded results of a job's pages are, in bytes."""
    with shop.database.session() as session:
        rows = session.execute(
            text(
                "SELECT length(result::text) FROM marketplace_runtime.marketplace_tasks "
                "WHERE job_id = :id AND name LIKE 'page-%' ORDER BY id"
            ),
            {"id": job_id},
        )
        return list(rows.scalars())


def test_what_is_on_sale_is_stored_and_what_is_not_is_left_out(shop: EbayShop) -> None:
    app = EbayApp(shop.ebay)
    app.publish("A-1")
    app.put_item("B-2")
    app.offer("B-2")
    app.put_item("C-3")
    result = shop.done("sync")
    assert (result["items"], result["imported"], result["gone"]) == (3, 1, 0)
    (row,) = shop.rows(Listing)
    assert (row.title, str(row.price), row.currency) == ("Écharpe en laine", "12.50", "EUR")
    assert row.product_key == "sku:A-1"
    assert row.url == f"https://www.ebay.fr/itm/{row.external_id}"


def test_all_pages_are_walked_and_only_then_something_is_gone(shop: EbayShop) -> None:
    fill(shop, MANY)
    assert shop.done("sync")["imported"] == MANY
    state = shop.ebay._state
    with shop.ebay._lock:
        del state.items["SKU-00003"]
        del state.offers["3"]
    job_id = shop.job("sync")
    result = result_of(shop.scene.ended(job_id))
    assert (result["pages"], result["updated"], result["gone"]) == (3, MANY - 1, 1)
    assert shop.listings()["900003"] == "gone"
    requests = [one.request for one in shop.ebay.exchanges if one.operation == "getInventoryItems"]
    assert [dict(one.query_pairs())["limit"] for one in requests] == ["200"] * 6
    assert max(pages_of(shop, job_id)) < 200 * 15


def test_a_walk_that_does_not_reach_the_end_concludes_nothing(shop: EbayShop) -> None:
    fill(shop, MANY)
    shop.done("sync")
    shop.ebay.faults.plan("getInventoryItems", Fault.FAILED, after=1, times=None)
    with shop.ebay._lock:
        shop.ebay._state.offers.clear()
    job_id = shop.job("sync")
    shop.waits(job_id, "attempt 1 failed")
    assert set(shop.listings().values()) == {"live"}
    shop.ebay.faults.clear()
    job = shop.scene.ended(job_id)
    assert (job.status, result_of(job)["gone"]) == ("completed", MANY)


def test_an_inventory_that_changes_meanwhile_leaves_a_doubt_and_nothing_is_gone(
    shop: EbayShop,
) -> None:
    fill(shop, MANY)
    shop.done("sync")
    shop.ebay.faults.plan("getInventoryItems", Fault.FAILED, after=1)
    job_id = shop.job("sync")
    shop.waits(job_id, "attempt 1 failed")
    with shop.ebay._lock:
        for number in range(10):
            del shop.ebay._state.items[f"SKU-{number:05}"]
    result = result_of(shop.scene.ended(job_id))
    assert result["gone"] == 0
    assert "changed while it was read" in result["warning"]
    assert set(shop.listings().values()) == {"live"}


def test_a_sync_that_is_taken_up_again_reads_no_page_twice(shop: EbayShop) -> None:
    fill(shop, MANY)
    shop.ebay.faults.plan("getInventoryItems", Fault.FAILED, after=2)
    assert shop.run("sync").status == "completed"
    assert shop.ebay.done["getInventoryItems"] == 3
    assert shop.ebay.asked["getInventoryItems"] == 4


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault.NOT_JSON, "not JSON: <!DOCTYPE html>"),
        (Fault.CUT_OFF, "the connection broke"),
        (Fault.OVERSIZED, "the answer has more than 20,000,000 bytes"),
    ],
)
@pytest.mark.parametrize("operation", ["getInventoryItems", "getOffers"])
def test_an_answer_that_cannot_be_read_is_a_clear_failure(
    shop: EbayShop, operation: str, fault: Fault, words: str
) -> None:
    fill(shop, 2)
    shop.ebay.faults.plan(operation, fault)
    job_id = shop.job("sync")
    job = shop.waits(job_id, "attempt 1 failed")
    assert words in (job.error_message or "")
    assert len(result_of(shop.scene.ended(job_id))) > 1
    assert len(shop.listings()) == 2


def test_an_answer_of_an_unknown_shape_is_a_clear_failure(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "plugins.ebay.sandbox.items.page_of",
        lambda *_args, **_more: {"inventoryItems": "none", "token": "very-secret"},
    )
    with open_ebay(settings, database, conforms=False) as shop:
        job = shop.waits(shop.job("sync"), "attempt 1 failed")
    assert "no list of inventoryItems" in (job.error_message or "")
    assert '"inventoryItems": "none"' in (job.error_message or "")
    assert "very-secret" not in (job.error_message or "")
