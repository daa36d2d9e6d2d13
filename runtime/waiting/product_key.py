"""The key of a job's product, by which the jobs of one product run one at a time. Pure."""

import hashlib
from collections.abc import Mapping
from typing import Any

# An index entry has a limit, and a name needs none.
LONGEST_SKU = 200


def product_key(product_id: int | None, input_data: Mapping[str, Any]) -> str | None:
    """Return the key of the job's product within its shop.

    Args:
        product_id: the id of a stored product, or None.
        input_data: the job's input, in which ``product.sku`` may name a product.

    Returns:
        ``id:<product id>``, or ``sku:<SKU>``, or the digest of a long SKU. None if the job is for
        no product, or if its product has no name.
    """
    if product_id is not None:
        return f"id:{product_id}"
    product = input_data.get("product")
    sku = product.get("sku") if isinstance(product, Mapping) else None
    if isinstance(sku, bool) or not isinstance(sku, str | int) or sku == "":
        return None
    name = str(sku)
    if len(name) > LONGEST_SKU:
        return f"sku-sha256:{hashlib.sha256(name.encode()).hexdigest()}"
    return f"sku:{name}"
