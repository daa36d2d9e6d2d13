"""link_product_vinted over a real socket: a listing becomes a product, with its photos."""

from collections.abc import Iterator
from typing import Any

import pytest

from runtime.errors import CallTimeout, ImageRefused, NotSent
from runtime.http import download
from runtime.http.download import DownloadLimits
from runtime.process.config import Settings
from runtime.process.data_directory import media_directory
from runtime.storage.selling.product_rows import lower_quantity
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, result_of
from tests.support.marketplaces.vinted_seller import (
    Listing,
    Product,
    VintedShop,
    only,
    open_shop,
    product,
)

PNG = b"\x89PNG\r\n\x1a\n"


class Internet(dict[str, Any]):
    """The bytes or the error at each URL, and the URLs that were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Internet:
    internet = Internet()

    def fetch(url: str, limits: DownloadLimits) -> bytes:
        internet.asked.append(url)
        found = internet[url]
        if isinstance(found, list):
            found = found.pop(0)
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, bytes)
        return found

    monkeypatch.setattr(download, "fetch_image", fetch)
    return internet


@pytest.fixture
def shop(settings: Settings, database: Database) -> Iterator[VintedShop]:
    with open_shop(settings, database, items=2) as opened:
        opened.browser()
        yield opened


def put(shop: VintedShop, internet: Internet, *photos: object, **details: object) -> str:
    """An item with these photos; its id."""
    urls = [f"https://img.example/{number}.png" for number in range(len(photos))]
    internet.update(zip(urls, photos, strict=True))
    item = shop.wardrobe.make(
        {
            "title": "Robe bleue",
            "description": "Portée deux fois.",
            "price": {"amount": "12.5", "currency_code": "EUR"},
            "brand": "Sézane",
            "status": "good",
            "size_title": "M",
            "photos": [{"url": url} for url in urls],
            **details,
        }
    )
    return str(item["id"])


def test_makes_a_product_with_its_photos(shop: VintedShop, internet: Internet) -> None:
    listed = put(shop, internet, PNG + b"1", PNG + b"2")
    result = shop.done("link_product", external_id=listed)
    (row,) = shop.rows(Product)
    assert (result["product_id"], result["sku"], result["created"]) == (
        row.id, f"vinted-{listed}", True,
    )  # fmt: skip
    assert row.data["images"] == result["kept"]
    media = media_directory(shop.settings)
    assert [(media / path).read_bytes() for path in result["kept"]] == [PNG + b"1", PNG + b"2"]
    told = [row.data[name] for name in ("title", "price", "brand", "condition", "size")]
    assert told == ["Robe bleue", "12.50", "Sézane", "good", "M"]
    (listing,) = shop.rows(Listing)
    assert (listing.external_id, listing.product_id) == (listed, row.id)


@pytest.mark.parametrize(
    "faults",
    [{"late": 0.3}, {"twice": True}, {"drop_after_executing": True}, {"lost": 1}],
    ids="-".join,
)
def test_a_bad_answer_leaves_the_product_made_once(
    shop: VintedShop, internet: Internet, faults: dict[str, Any]
) -> None:
    shop.calls_end_early()
    listed = put(shop, internet, PNG)
    only(shop.browsers[0], "VINTED_API_CALL", **faults)
    result = shop.done("link_product", external_id=listed)
    assert [row.id for row in shop.rows(Product)] == [result["product_id"]]
    assert [one.product_id for one in shop.rows(Listing)] == [result["product_id"]]
    assert (len(shop.wardrobe.items()), len(internet.asked)) == (3, 1)


@pytest.mark.parametrize("fault", ["never", "shapeless"])
def test_without_an_answer_that_can_be_used_nothing_is_made(
    shop: VintedShop, internet: Internet, fault: str
) -> None:
    listed = put(shop, internet, PNG)
    only(shop.browsers[0], "VINTED_API_CALL", **{fault: True})
    if fault == "never":
        shop.unanswered("link_product", external_id=listed)
    else:
        job = shop.run("link_product", external_id=listed)
        assert f"GET /items/{listed} cannot be used" in (job.error_message or "")
    assert (shop.rows(Product), shop.rows(Listing), internet.asked) == ([], [], [])
    shop.browsers[0].faults.only = frozenset()
    assert shop.done("link_product", external_id=listed)["created"]
    assert len(shop.rows(Product)) == 1


@pytest.mark.parametrize(
    "faults",
    [{"session_lost": True}, {"captcha": True}, {"rate_limited": True}, {"wrong_account": "9"}],
    ids=str,
)
def test_trouble_with_the_account_makes_nothing(
    shop: VintedShop, internet: Internet, faults: dict[str, Any]
) -> None:
    listed = put(shop, internet, PNG)
    for name, value in faults.items():
        setattr(shop.browsers[0].faults, name, value)
    shop.held_up(shop.job("link_product", external_id=listed))
    assert (shop.rows(Product), shop.rows(Listing), internet.asked) == ([], [], [])


def test_a_photo_that_was_downloaded_is_not_downloaded_again(
    shop: VintedShop, internet: Internet
) -> None:
    listed = put(shop, internet, PNG + b"1", [CallTimeout("slow"), PNG + b"2"], PNG + b"3")
    assert len(shop.done("link_product", external_id=listed)["kept"]) == 3
    assert [url[-5] for url in internet.asked] == ["0", "1", "1", "2"]


def test_a_photo_that_may_not_be_downloaded_is_left_out_and_named(
    shop: VintedShop, internet: Internet
) -> None:
    listed = put(shop, internet, ImageRefused("10.0.0.1 is no public host"), PNG)
    result = shop.done("link_product", external_id=listed)
    assert (len(result["kept"]), result["refused"]) == (1, ["10.0.0.1 is no public host"])


def test_without_any_photo_there_is_no_product(shop: VintedShop, internet: Internet) -> None:
    listed = put(shop, internet, ImageRefused("it is text/html, no image"))
    job = shop.run("link_product", external_id=listed)
    assert "no photo that can be used: it is text/html" in (job.error_message or "")
    assert shop.rows(Product) == []


def test_links_to_a_product_that_is_there_and_leaves_it_as_it_is(
    shop: VintedShop, internet: Internet
) -> None:
    shop.add_products(product(title="My own words", images=[]))
    (row,) = shop.rows(Product)
    listed = put(shop, internet, PNG)
    job_id = add_job(
        shop.database, shop.shop_id, "link_product",
        product_id=row.id, input_data={"external_id": listed},
    )  # fmt: skip
    result = result_of(shop.ended(job_id))
    (now,) = shop.rows(Product)
    assert (result["created"], now.title, now.data["images"]) == (
        False, "My own words", result["kept"],
    )  # fmt: skip
    assert shop.done("delete", external_id=listed)["deleted"] == [listed]


def test_a_listing_that_is_gone_is_a_clear_failure(shop: VintedShop, internet: Internet) -> None:
    job = shop.run("link_product", external_id="77")
    assert "the listing 77 is gone from Vinted" in (job.error_message or "")


def test_another_sellers_listing_is_refused(shop: VintedShop, internet: Internet) -> None:
    listed = put(shop, internet, PNG, user={"id": 999})
    job = shop.run("link_product", external_id=listed)
    assert "is another seller's (999)" in (job.error_message or "")
    assert internet.asked == []


def published(shop: VintedShop) -> str:
    """A stored product of two pieces that is on sale; the id of its listing."""
    shop.add_products(product(quantity=2))
    (row,) = shop.rows(Product)
    job_id = add_job(shop.database, shop.shop_id, "publish", product_id=row.id)
    return str(result_of(shop.ended(job_id))["external_id"])


def photographed(shop: VintedShop, internet: Internet, listed: str) -> None:
    """Let that item have a photo that can be downloaded."""
    shop.wardrobe.change(listed, {"photos": [{"url": "https://img.example/a.png"}]})
    internet["https://img.example/a.png"] = PNG


def test_a_listing_that_sells_a_product_is_linked_to_that(
    shop: VintedShop, internet: Internet
) -> None:
    listed = published(shop)
    photographed(shop, internet, listed)
    result = shop.done("link_product", external_id=listed)
    assert (result["sku"], result["created"]) == ("A-1", False)
    assert len(shop.rows(Product)) == 1


def test_a_listing_is_taken_from_no_product_unless_it_is_said_so(
    shop: VintedShop, internet: Internet
) -> None:
    listed = published(shop)
    photographed(shop, internet, listed)
    job = shop.run("link_product", external_id=listed, sku="B-1")
    assert f"the listing {listed} sells another product already" in (job.error_message or "")
    assert [row.sku for row in shop.rows(Product)] == ["A-1"]
    result = shop.done("link_product", external_id=listed, sku="B-1", force=True)
    (listing,) = shop.rows(Listing)
    assert listing.product_id == result["product_id"]


def test_photos_bring_back_nothing_that_was_sold(shop: VintedShop, internet: Internet) -> None:
    shop.add_products(product(quantity=2, images=[]))
    (row,) = shop.rows(Product)
    with shop.database.session.begin() as session:
        lower_quantity(session, row.id, 1)
    listed = put(shop, internet, PNG)
    assert shop.done("link_product", external_id=listed, sku="A-1")["created"] is False
    shop.add_products(product(quantity=2))
    (now,) = shop.rows(Product)
    assert now.quantity == 1


def test_photos_beyond_the_most_are_named(shop: VintedShop, internet: Internet) -> None:
    result = shop.done("link_product", external_id=put(shop, internet, *[PNG] * 22))
    assert len(result["kept"]) == 20
    assert [words.split(":")[0] + words.split(":")[1] for words in result["refused"]] == [
        "https//img.example/20.png", "https//img.example/21.png",
    ]  # fmt: skip


def test_a_host_that_is_not_there_does_not_keep_the_other_photos(
    shop: VintedShop, internet: Internet
) -> None:
    listed = put(shop, internet, [NotSent("no such host")] * 4, PNG)
    job_id = shop.job("link_product", external_id=listed)
    result = result_of(shop.scene.ended(job_id, seconds=60))
    assert (len(result["kept"]), result["refused"]) == (1, ["no such host"])
