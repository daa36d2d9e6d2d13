"""Which listings a job is about."""

from typing import Any

from sqlalchemy.orm import Session

from runtime import BaseJobHandler, JobFailed
from runtime.product_key import product_key
from runtime.storage import published


async def target_listings(handler: BaseJobHandler) -> list[str]:
    """The external ids of the listings that the job names, or that sell its product.

    None where those of the product are known to be gone already.

    Raises:
        JobFailed: nothing says which listings are meant.
    """
    named = item_id(handler.job.input_data)
    if named is not None:
        return [named]
    key = product_key(handler.job.product_id, handler.job.input_data)
    if key is None:
        raise JobFailed(
            "the job does not say which listing it is about: create it with --product SKU, or "
            "with input_data.item_id"
        )
    found: dict[str, Any] = await handler.transaction(
        "find-listings", find_listings, handler.shop_id, key
    )
    if not found["known"]:
        raise JobFailed(
            f"no listing of the product is known in shop {handler.shop_id}: sync the shop and "
            "link the listing to it (link_product), or name the listing by input_data.item_id"
        )
    live: list[str] = found["live"]
    return live


def find_listings(session: Session, shop_id: int, key: str) -> dict[str, Any]:
    """The product's live listings, and whether it ever had any."""
    return {
        "live": published.live(session, shop_id, key),
        "known": published.was_listed(session, shop_id, key),
    }


def item_id(input_data: dict[str, Any]) -> str | None:
    """The listing that a job's ``input_data`` names.

    Raises:
        JobFailed: it is no id.
    """
    given = input_data.get("item_id")
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, str | int) or not str(given).isalnum():
        raise JobFailed(f"item_id must be the id of a listing on Vinted, not {given!r}")
    return str(given)
