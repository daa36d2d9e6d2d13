"""Products are checked, field by field."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.errors import InvalidProduct
from runtime.products.product import FIELDS, MAX_PRICE, checked_product
from runtime.values.json_values import checked_json

LEAST = {"sku": "A-1", "title": "Jeans", "price": "12.50"}


def told(product: Any) -> str:
    with pytest.raises(InvalidProduct) as raised:
        checked_product(product)
    return str(raised.value)


def test_every_field_is_there_whatever_was_given() -> None:
    assert checked_product(LEAST) == {
        "sku": "A-1", "title": "Jeans", "description": "", "price": "12.50", "currency": None,
        "quantity": 1, "brand": None, "condition": None, "category": None, "size": None,
        "color": None, "images": [], "attributes": {},
    }  # fmt: skip
    assert tuple(checked_product(LEAST)) == tuple(FIELDS)


def test_checking_again_changes_nothing() -> None:
    whole = checked_product(
        LEAST
        | {"currency": "eur", "quantity": 0, "size": 42, "category": 1904, "brand": " Levi's "}
        | {"images": ["https://x.example/1.jpg?a=b", "photos/1.jpg"], "attributes": {"a": [1.5]}}
    )
    assert (whole["currency"], whole["size"], whole["brand"]) == ("EUR", "42", "Levi's")
    assert checked_product(whole) == whole


def test_every_wrong_field_is_named_at_once() -> None:
    message = told({"title": "", "price": 0, "currency": "EURO", "quantity": -1, "colour": "red"})
    for name in ("sku is missing", "title must not be empty", "price", "currency", "quantity"):
        assert name in message
    assert "'colour' is no field of a product" in message
    assert "attributes" in message


@given(st.decimals(min_value="0.01", max_value=MAX_PRICE, places=2))
def test_a_price_is_exact_however_it_is_written(price: Decimal) -> None:
    for written in (str(price), price, float(price)):
        assert checked_product(LEAST | {"price": written})["price"] == str(price)


@pytest.mark.parametrize(
    "price",
    ["0", -1, "-0.01", "0.001", 12.345, "1,50", "abc", "", "NaN", float("inf"), True, [], "1e3",
     "1_000", pytest.param(10**5000, id="huge"), "10000000000", 1e300, 1e-300],
)  # fmt: skip
def test_what_is_no_price_is_refused(price: Any) -> None:
    assert "price must" in told(LEAST | {"price": price})


@pytest.mark.parametrize(
    "image",
    [
        "http://x.example/1.jpg", "HTTPS:/x", "ftp://x/1", "data:image/png;base64,AA", "https://",
        "https://user@x.example/1", "https://x.example/a b", "https://x.example/\n",
        "//x.example/1",
        "/etc/passwd", "../1.jpg", "a/../../1.jpg", "a//b.jpg", "./1.jpg", "a/", "", "a\\..\\b",
        "C:/1.jpg", "file:1.jpg", "a\0b", 5, None, "https://x.example:99999/", "x" * 3000,
    ],
)  # fmt: skip
def test_an_image_is_an_https_url_or_a_path_that_stays_below(image: str | int | None) -> None:
    assert "images.0" in told(LEAST | {"images": [image]})


@pytest.mark.parametrize(
    "wrong",
    [
        {"sku": "x" * 256}, {"title": "x" * 501}, {"description": "x" * 50_001}, {"title": "a\0"},
        {"brand": "\ud800"}, {"quantity": True}, {"quantity": 1.5}, {"quantity": 10**9},
        {"images": ["a.jpg"] * 51}, {"images": "a.jpg"}, {"attributes": []}, {"sku": True},
        {"attributes": {"a": float("nan")}}, {"attributes": {"a": "\0"}},
        {"attributes": {"a": {1}}},
        {"attributes": {"a": "x" * 300_000}}, {"currency": 5}, {"sku": "  "},
    ],
)  # fmt: skip
def test_what_cannot_be_stored_is_refused_by_its_name(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    assert f"{name}" in told(LEAST | wrong)


@pytest.mark.parametrize("product", [None, [], "a", 5])
def test_a_product_is_an_object(product: str | list[Any] | int | None) -> None:
    assert "JSON object" in told(product)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*FIELDS, "other"]), _JSON))
def test_whatever_is_given_is_refused_in_words_or_can_be_stored(
    given_fields: dict[str, Any],
) -> None:
    try:
        product = checked_product(LEAST | given_fields)
    except InvalidProduct:
        return
    assert checked_json(product, "it") == product
    assert checked_product(product) == product
