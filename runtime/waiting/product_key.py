"""Which product a job is for, so that the jobs of one product run one at a time. Pure."""

import hashlib
from collections.abc import Mapping
from typing import Any

# An index entry has a limit, and a name needs none.
LONGEST_SKU = 200


def product_key(product_id: int | None, input_data: Mapping[str, Any]) -> str | None:
    """The key of the job's product within its shop.

    Args:
        product_id: of a stored product.
        input_data: where ``product.sku`` names a product that comes with the job.

    Returns:
        ``id:<product id>`` or ``sku:<SKU>``, of a long SKU its digest; None: the job is for no
        product, or for one that has no name.
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
