"""The key by which jobs of one product know each other."""

from typing import Any

import pytest

from runtime.waiting.product_key import product_key


@pytest.mark.parametrize(
    ("product_id", "input_data", "key"),
    [
        (12, {}, "id:12"),
        (12, {"product": {"sku": "A-1"}}, "id:12"),
        (None, {"product": {"sku": "A-1"}}, "sku:A-1"),
        (None, {"product": {"sku": 7}}, "sku:7"),
        (None, {"product": {"sku": "id:12"}}, "sku:id:12"),
        (None, {"product": {"title": "Hat"}}, None),
        (None, {"product": {"sku": ""}}, None),
        (None, {"product": {"sku": True}}, None),
        (None, {"product": {"sku": ["A"]}}, None),
        (None, {"product": "A-1"}, None),
        (None, {}, None),
    ],
)
def test_the_key_of_a_product(
    product_id: int | None, input_data: dict[str, Any], key: str | None
) -> None:
    assert product_key(product_id, input_data) == key


def test_a_very_long_sku_is_told_from_another_in_few_characters() -> None:
    keys = {product_key(None, {"product": {"sku": "x" * 100_000 + end}}) for end in "ab"}
    assert len(keys) == 2
    assert all(key is not None and len(key) < 100 for key in keys)
