"""What names the product that a job is for, so that jobs of one product can be told."""

from collections.abc import Mapping
from typing import Any


def product_key(product_id: int | None, input_data: Mapping[str, Any]) -> str | None:
    """``id:<product_id>``, ``sku:<sku>`` of a product in the input, or None: no product."""
    if product_id is not None:
        return f"id:{product_id}"
    product = input_data.get("product")
    sku = product.get("sku") if isinstance(product, Mapping) else None
    return f"sku:{sku}" if isinstance(sku, str | int) and sku != "" else None
