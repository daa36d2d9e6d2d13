"""The demands of Etsy on a product are told all at once, before anything is sent."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.etsy.offer import checked_offer
from plugins.etsy.sandbox.listing_form import read_form
from plugins.etsy.sandbox.state import EtsyState
from runtime import JobFailed
from runtime.errors import InvalidProduct
from runtime.process.clock import SystemClock
from runtime.products.product import checked_product
from runtime.sandbox import Refused

SETTINGS = {
    "who_made": "i_did",
    "when_made": "made_to_order",
    "taxonomy_map": {"dresses": 374},
    "shipping_profile_id": "9001",
}
PRODUCT = {
    "sku": "A-1", "title": "Robe", "description": "Bleue", "price": "12.50",
    "category": "dresses", "images": ["a/1.jpg"],
}  # fmt: skip


def flaws(settings: Mapping[str, Any] = SETTINGS, *, publishes: bool = True, **changes: Any) -> str:
    with pytest.raises(JobFailed) as caught:
        checked_offer(PRODUCT | changes, settings, publishes=publishes)
    assert str(caught.value).endswith("nothing was sent")
    return str(caught.value)


def test_an_attribute_is_stronger_than_a_setting() -> None:
    attributes = {"who_made": "collective", "taxonomy_id": 66, "shipping_profile_id": 9}
    offer = checked_offer(PRODUCT | {"attributes": attributes}, SETTINGS, publishes=True)
    assert (offer.who_made, offer.taxonomy_id, offer.ids) == (
        "collective", 66, {"shipping_profile_id": 9},
    )  # fmt: skip


def test_an_update_needs_neither_images_nor_stock() -> None:
    changed = PRODUCT | {"images": [], "quantity": 0}
    assert checked_offer(changed, SETTINGS, publishes=False).quantity == 0
    told = flaws(images=[], quantity=0)
    assert "images is missing" in told
    assert "quantity is 0" in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"title": "x" * 141}, "title may have 140 characters, and has 141"),
        ({"title": "☃ Robe"}, "title may not hold ☃"),
        ({"title": "a: b: c"}, "title may hold each of : once"),
        ({"description": "  "}, "description is missing"),
        ({"quantity": 1_000}, "quantity may be 999 at most"),
        ({"sku": "S" * 33}, "sku may have 32 characters"),
        ({"images": ["a/1.jpg"] * 21}, "images may be 20 at most"),
        ({"category": None}, "category is missing"),
        ({"attributes": {"taxonomy_id": "x"}}, "attributes.taxonomy_id must be a number"),
        ({"attributes": {"when_made": "long ago"}}, "when_made must be such as"),
        ({"attributes": {"tags": 5}}, "attributes.tags must be a list of texts"),
        ({"attributes": {"tags": ["x"] * 14}}, "tags may be 13 at most, and are 14"),
        ({"attributes": {"tags": ["x" * 21]}}, "from 1 to 20 characters"),
        ({"attributes": {"materials": ["50% wool"]}}, "unlike '50% wool'"),
        ({"attributes": {"is_supply": "no"}}, "is_supply must be true or false"),
        ({"attributes": {"return_policy_id": 0}}, "return_policy_id must be a number from 1"),
        ({"price": "0"}, "price must be more than 0"),
    ],
    ids=str,
)
def test_each_flaw_is_told(changes: dict[str, Any], told: str) -> None:
    assert told in flaws(**changes)


def test_a_job_without_a_product_says_how_to_give_it_one() -> None:
    with pytest.raises(JobFailed, match="--product SKU"):
        checked_offer(None, SETTINGS, publishes=True)


texts = st.text(max_size=150)
attributes = st.fixed_dictionaries(
    {}, optional={"tags": st.lists(texts, max_size=15), "materials": st.lists(texts, max_size=3)}
)


@given(texts, texts, st.integers(0, 1_200), st.sampled_from(["0.01", "9.99", "123456"]), attributes)
def test_what_passes_is_taken_by_etsy(
    title: str, description: str, quantity: int, price: str, given_attributes: dict[str, Any]
) -> None:
    changed = PRODUCT | {
        "title": title, "description": description, "quantity": quantity, "price": price,
        "attributes": given_attributes,
    }  # fmt: skip
    try:
        product = checked_product(changed)
        offer = checked_offer(product, SETTINGS, publishes=True)
    except (JobFailed, InvalidProduct):
        return
    form = {
        name: ",".join(value) if isinstance(value, tuple) else str(value).lower()
        if isinstance(value, bool) else str(value)
        for name, value in offer.draft_form(offer.description).items() if value is not None
    }  # fmt: skip
    try:
        read_form(EtsyState(SystemClock(lambda *_: None).now), form, creates=True)
    except Refused as refused:
        raise AssertionError(refused) from None
