"""publish_etsy over real HTTP: whatever goes wrong, the product is on sale once, and paid once."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from runtime.jobs.service import MarketplaceJobService
from runtime.process.config import Settings
from runtime.process.data_directory import media_directory
from runtime.sandbox import Fault
from runtime.storage.models import Listing, MarketplaceTask
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import result_of, set_job
from tests.support.deadline import wait_until
from tests.support.marketplaces.etsy_shop import EtsyShop, open_shop, product
from tests.support.servers.images import WEBP


@pytest.fixture
def shop(settings: Settings, database: Database) -> Iterator[EtsyShop]:
    with open_shop(settings, database) as opened:
        yield opened


def assert_on_sale_once(shop: EtsyShop, external_id: str) -> None:
    """Exactly this listing, complete, active, and paid for once."""
    assert shop.states() == {external_id: "active"}
    listing = shop.etsy.listings[int(external_id)]
    assert [fee.listing_id for fee in shop.etsy.fees] == [int(external_id)]
    assert [image["rank"] for image in listing["images"]] == [1, 2]
    (sold,) = listing["inventory"]["products"]
    assert sold["sku"] == "A-1"
    assert listing["description"] == "Bleue, portée deux fois."
    assert shop.stored() == {external_id: "live"}


def test_puts_the_product_on_sale_and_stores_the_listing(shop: EtsyShop) -> None:
    product_id = shop.add_product()
    result = shop.done("publish", product_id=product_id)
    listing = shop.etsy.listings[int(result["external_id"])]
    assert result == {
        "success": True, "external_id": result["external_id"], "url": listing["url"],
    }  # fmt: skip
    assert_on_sale_once(shop, result["external_id"])
    assert (listing["title"], listing["tags"], listing["taxonomy_id"]) == (
        "Robe d'été", ["robe", "été"], 374,
    )  # fmt: skip
    (row,) = shop.rows(Listing)
    assert (row.product_id, row.title, str(row.price), row.currency) == (
        product_id, "Robe d'été", "12.50", "EUR",
    )  # fmt: skip


def test_sends_what_the_seller_set_up_and_arrays_with_commas(shop: EtsyShop) -> None:
    shop.set(readiness_state_id="9201", return_policy_id="9101")
    shop.done("publish", product=product(attributes={"tags": "robe, été", "who_made": "i_did"}))
    draft, *_, activation = [
        one.request for one in shop.etsy.exchanges if one.request.method in {"POST", "PATCH"}
    ]
    form = dict(draft.form_pairs())
    assert b"tags=robe%2C%C3%A9t%C3%A9" in draft.body
    assert (form["who_made"], form["when_made"], form["readiness_state_id"]) == (
        "i_did", "2010_2019", "9201",
    )  # fmt: skip
    assert dict(activation.form_pairs())["state"] == "active"


@pytest.mark.parametrize("content", [WEBP, b"no image at all"], ids=["webp", "text"])
def test_an_image_that_etsy_does_not_take_is_refused_before_anything_is_sent(
    shop: EtsyShop, settings: Settings, content: bytes
) -> None:
    (media_directory(settings) / "photos" / "3.webp").write_bytes(content)
    images = ["photos/1.jpg", "photos/3.webp"]
    assert "photos/3.webp" in shop.failed("publish", product=product(images=images))
    assert shop.etsy.asked["createDraftListing"] == 0
    assert shop.states() == {}


def test_the_journal_names_images_and_holds_no_bytes(shop: EtsyShop) -> None:
    shop.done("publish", product=product())
    tasks = {one.name: one for one in shop.rows(MarketplaceTask)}
    assert tasks["image-2"].request["files"] == {"image": "photos/2.jpg"}
    assert tasks["image-2"].request["form"] == {"rank": "2"}


WRITES = ("createDraftListing", "uploadListingImage", "updateListingInventory", "updateListing")
BAD_ANSWERS = (
    Fault.DONE_BUT_FAILED,
    Fault.UNANSWERED,
    Fault.CUT_OFF,
    Fault.NOT_JSON,
    Fault.OVERSIZED,
    Fault.FAILED,
    Fault.REFUSED,
)


@pytest.mark.parametrize("fault", BAD_ANSWERS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("operation", WRITES)
def test_a_bad_answer_leaves_it_on_sale_once(shop: EtsyShop, operation: str, fault: Fault) -> None:
    shop.etsy.faults.plan(operation, fault, size=25_000_000)
    result = shop.done("publish", product=product())
    assert_on_sale_once(shop, result["external_id"])
    assert shop.etsy.done["createDraftListing"] == 1
    assert shop.etsy.done["uploadListingImage"] == 2


@pytest.mark.parametrize("operation", WRITES)
def test_an_answer_that_comes_too_late_leaves_it_on_sale_once(
    shop: EtsyShop, operation: str
) -> None:
    shop.calls_end_early()
    shop.etsy.faults.plan(operation, Fault.SLOW, delay=timedelta(seconds=2.5))
    result = shop.done("publish", product=product())
    assert_on_sale_once(shop, result["external_id"])


@pytest.mark.parametrize("operation", WRITES)
def test_a_late_effect_is_waited_for(shop: EtsyShop, operation: str) -> None:
    shop.etsy.faults.plan(operation, Fault.LATE, lands_after=timedelta(seconds=0.2))
    result = shop.done("publish", product=product())
    assert_on_sale_once(shop, result["external_id"])


@pytest.mark.parametrize("operation", WRITES)
def test_a_limit_costs_no_attempt_and_does_nothing_twice(shop: EtsyShop, operation: str) -> None:
    shop.etsy.faults.plan(operation, Fault.LIMITED, headers={"retry-after": "1"})
    job_id = shop.job("publish", product=product())
    job = shop.scene.ended(job_id, seconds=60)
    assert (job.status, job.retry_count) == ("completed", 0), job.error_message
    assert_on_sale_once(shop, result_of(job)["external_id"])


def test_a_revoked_token_is_renewed(shop: EtsyShop) -> None:
    shop.etsy.oauth.tokens.expire_access()
    result = shop.done("publish", product=product())
    assert_on_sale_once(shop, result["external_id"])
    assert shop.etsy.done["token"] == 1


def test_two_equal_products_and_the_sellers_own_draft_are_kept_apart(shop: EtsyShop) -> None:
    own = shop.app().draft(title="Robe d'été")
    shop.etsy.faults.plan("createDraftListing", Fault.DONE_BUT_FAILED, times=2)
    first, second = (shop.job("publish", product=product(sku)) for sku in ("A-1", "A-2"))
    ids = {
        sku: int(result_of(shop.scene.ended(job))["external_id"])
        for sku, job in (("A-1", first), ("A-2", second))
    }
    listings = shop.etsy.listings
    assert set(listings) == {own, *ids.values()}
    assert listings[own]["state"] == "draft"
    for sku, listing_id in ids.items():
        assert listings[listing_id]["inventory"]["products"][0]["sku"] == sku
        assert len(listings[listing_id]["images"]) == 2
    assert len(shop.etsy.fees) == 2


def test_a_draft_is_found_behind_a_hundred_others(shop: EtsyShop) -> None:
    shop.etsy.faults.plan("createDraftListing", Fault.DONE_BUT_FAILED)
    shop.etsy.faults.plan("getListingsByShop", Fault.FAILED, times=None)
    job_id = shop.job("publish", product=product())
    set_job(shop.database, job_id, {"max_retries": 100})
    wait_until(lambda: shop.etsy.done["createDraftListing"])
    app = shop.app()
    # The newest come first, so all of these stand before it.
    for _ in range(100):
        app.draft()
    shop.etsy.faults.clear()
    job = shop.scene.ended(job_id, seconds=60)
    assert job.status == "completed", job.error_message
    assert len(shop.states()) == 101
    assert shop.states()[result_of(job)["external_id"]] == "active"


@pytest.mark.parametrize(
    ("changes", "flaws"),
    [
        (
            {
                "images": [], "description": "", "category": None, "quantity": 0,
                "title": "x" * 141, "currency": "USD",
                "attributes": {"tags": ["t"] * 14, "who_made": "nobody"},
            },
            [
                "title may have 140", "description is missing", "currency is USD",
                "who_made must be", "category is missing", "tags may be 13", "images is missing",
                "quantity is 0",
            ],
        ),
        (
            {"title": "50% & 30%", "attributes": {"tags": ["x" * 21, "a#b"]}},
            ["each of %", "x" * 21, "'a#b' may not hold #"],
        ),
        ({"category": "hats"}, ["taxonomy_map does not name category 'hats'"]),
    ],
    ids=["many", "characters", "category"],
)  # fmt: skip
def test_every_flaw_is_named_before_anything_is_sent(
    shop: EtsyShop, changes: dict[str, Any], flaws: list[str]
) -> None:
    error = shop.failed("publish", product=product(**changes))
    assert [flaw for flaw in flaws if flaw not in error] == [], error
    assert "nothing was sent" in error
    assert shop.etsy.exchanges == []


def test_every_missing_setting_is_named_at_once(shop: EtsyShop) -> None:
    shop.set(who_made=None, when_made=None, taxonomy_map=None, shipping_profile_id=None)
    error = shop.failed("publish", product=product())
    for name in ("who_made", "when_made", "taxonomy_id", "shipping_profile_id"):
        assert f"{name} is missing" in error
    assert shop.etsy.exchanges == []


def test_an_image_that_is_not_there_is_told_before_anything_is_sent(shop: EtsyShop) -> None:
    error = shop.failed("publish", product=product(images=["photos/1.jpg", "photos/9.jpg"]))
    assert "photos/9.jpg" in error
    assert shop.etsy.exchanges == []


def test_what_etsy_refuses_is_told_in_its_own_words(shop: EtsyShop) -> None:
    shop.etsy.in_eu = False
    error = shop.failed("publish", product=product())
    assert "A return policy is required for active physical listings" in error
    assert list(shop.states().values()) == ["draft"]
    assert shop.etsy.fees == []


def test_a_job_that_is_tried_again_goes_on_with_its_draft(shop: EtsyShop) -> None:
    shop.etsy.in_eu = False
    job_id = shop.job("publish", product=product())
    assert shop.scene.ended(job_id).status == "failed"
    shop.etsy.in_eu = True
    shop.retry(job_id)
    job = shop.scene.ended(job_id)
    assert job.status == "completed", job.error_message
    assert_on_sale_once(shop, result_of(job)["external_id"])


def test_a_draft_that_the_seller_activated_meanwhile_is_paid_once_and_loses_its_mark(
    shop: EtsyShop,
) -> None:
    shop.etsy.in_eu = False
    job_id = shop.job("publish", product=product())
    shop.scene.ended(job_id)
    shop.etsy.in_eu = True
    (listing_id,) = shop.etsy.listings
    assert shop.app().patch(listing_id, state="active").status_code == 200
    shop.retry(job_id)
    assert shop.scene.ended(job_id).status == "completed"
    assert_on_sale_once(shop, str(listing_id))


def test_where_nobody_can_look_a_person_says_what_happened_and_the_job_goes_on(
    shop: EtsyShop,
) -> None:
    shop.etsy.faults.plan("createDraftListing", Fault.DONE_BUT_FAILED)
    shop.etsy.faults.plan("getListingsByShop", Fault.NOT_JSON, times=None)
    set_job(shop.database, job_id := shop.job("publish", product=product()), {"max_retries": 0})
    job = shop.scene.reaches(job_id, "paused")
    assert "did step 'draft' take effect on etsy?" in (job.waiting_reason or "")
    shop.etsy.faults.clear()
    (listing_id,) = shop.etsy.listings
    with shop.database.session.begin() as session:
        service = MarketplaceJobService(session)
        service.answer_step(job_id, "draft", happened={"listing_id": listing_id})
    assert shop.scene.ended(job_id).status == "completed"
    assert_on_sale_once(shop, str(listing_id))


def test_whoever_answers_for_the_activation_need_not_know_the_address(shop: EtsyShop) -> None:
    shop.etsy.faults.plan("updateListing", Fault.DONE_BUT_FAILED)
    shop.etsy.faults.plan("getListing", Fault.NOT_JSON, after=1, times=None)
    set_job(shop.database, job_id := shop.job("publish", product=product()), {"max_retries": 0})
    assert "'activate'" in (shop.scene.reaches(job_id, "paused").waiting_reason or "")
    with shop.database.session.begin() as session:
        MarketplaceJobService(session).answer_step(job_id, "activate", happened={})
    job = shop.scene.ended(job_id)
    assert job.status == "completed", job.error_message
    assert_on_sale_once(shop, result_of(job)["external_id"])
