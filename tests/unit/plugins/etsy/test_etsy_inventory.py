"""Inventories: what a GET answers becomes what a PUT takes, and nothing else changes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.etsy.inventory import first_inventory, merged, pieces, reshaped
from plugins.etsy.offer import Offer
from runtime import JobFailed


def offer(sku: str = "A-1", price: str = "12.50", quantity: int = 3, **ids: int) -> Offer:
    return Offer(
        sku=sku, title="t", description="d", price=price, currency="EUR", quantity=quantity,
        who_made="i_did", when_made="1990s", taxonomy_id=1, is_supply=False, tags=(),
        materials=(), ids=ids, images=(),
    )  # fmt: skip


def shown(sku: str, cents: int, quantity: int, **more: Any) -> dict[str, Any]:
    """A product as a GET shows it."""
    price = {"amount": cents, "divisor": 100, "currency_code": "EUR"}
    terms = {
        "offering_id": 9, "quantity": quantity, "is_enabled": True, "is_deleted": False,
        "price": price, "readiness_state_id": None,
    }  # fmt: skip
    return {
        "product_id": 8, "sku": sku, "is_deleted": False, "offerings": [terms],
        "property_values": [], **more,
    }  # fmt: skip


prices = st.integers(1, 10**9)
products = st.lists(
    st.builds(shown, st.sampled_from(["A-1", "A-2", ""]), prices, st.integers(0, 999)),
    min_size=1,
    max_size=5,
)


@given(products, st.booleans(), st.booleans())
def test_only_the_terms_of_the_product_change(
    known: list[dict[str, Any]], own_price: bool, own_quantity: bool
) -> None:
    inventory = {
        "products": known,
        "price_on_property": [1] if own_price else [],
        "quantity_on_property": [1] if own_quantity else [],
    }
    before = reshaped(inventory)
    meant = [one["sku"] == "A-1" for one in known]
    if not any(meant) and len(known) > 1:
        with pytest.raises(JobFailed):
            merged(inventory, offer())
        return
    after = merged(inventory, offer())
    for was, now, named in zip(before["products"], after["products"], meant, strict=True):
        mine = named or len(known) == 1
        (old,), (new,) = was["offerings"], now["offerings"]
        assert now["sku"] == ("A-1" if mine else was["sku"])
        assert new["price"] == (12.5 if mine or not own_price else old["price"])
        assert new["quantity"] == (3 if mine or not own_quantity else old["quantity"])
        assert set(new) == {"price", "quantity", "is_enabled", "readiness_state_id"}
        assert set(now) == {"sku", "property_values", "offerings"}


@given(prices)
def test_a_price_survives_to_the_cent(cents: int) -> None:
    body = reshaped({"products": [shown("A-1", cents, 1)]})
    assert round(body["products"][0]["offerings"][0]["price"] * 100) == cents


def test_what_was_deleted_and_what_has_no_scale_is_left_out() -> None:
    value = {
        "property_id": 1, "value_ids": [2], "scale_id": None, "property_name": "Size",
        "values": ["S"], "scale_name": None,
    }  # fmt: skip
    known = [shown("A-1", 100, 1, property_values=[value]), shown("A-2", 100, 1, is_deleted=True)]
    (product,) = reshaped({"products": known})["products"]
    assert product["property_values"] == [
        {"property_id": 1, "value_ids": [2], "property_name": "Size", "values": ["S"]}
    ]


def test_the_readiness_state_is_sent_always_and_null_unless_it_is_set() -> None:
    for made, expected in ((offer(), None), (offer(readiness_state_id=7), 7)):
        (product,) = first_inventory(made)["products"]
        assert product["offerings"][0]["readiness_state_id"] == expected


def test_pieces_counts_what_is_for_sale() -> None:
    body = reshaped({"products": [shown("A-1", 100, 2), shown("A-2", 100, 3)]})
    body["products"][0]["offerings"][0]["is_enabled"] = False
    assert pieces(body) == 3
