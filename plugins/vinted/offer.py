"""Checks the demands of Vinted on a product, before anything is sent."""

from typing import Any

from plugins.vinted.protocol import ProductSent
from runtime import BaseJobHandler, product_to_sell, refuse_flaws

LONGEST_TITLE = 100
LONGEST_DESCRIPTION = 3_000
MOST_IMAGES = 20


def checked_offer(product: dict[str, Any] | None, *, in_stock: bool) -> dict[str, Any]:
    """Return the product, fit for Vinted: title and description without blanks around them.

    The category decides whether condition, brand, size and colour are needed. Vinted alone knows
    this, and refuses a product without them.

    Args:
        in_stock: whether the quantity must be above 0.

    Raises:
        JobFailed: some of it is missing or wrong; the message names everything at once.
    """
    checked = product_to_sell(product)
    checked["description"] = checked["description"].strip()  # as the title is already
    refuse_flaws(checked["sku"], "Vinted", _flaws(checked, in_stock))
    return checked


def _flaws(product: dict[str, Any], in_stock: bool) -> list[str]:
    title, description, images = product["title"], product["description"], product["images"]
    return [
        flaw
        for wrong, flaw in (
            (not title, "title is missing"),
            (len(title) > LONGEST_TITLE, f"title may have {LONGEST_TITLE} characters"),
            (not description, "description is missing"),
            (
                len(description) > LONGEST_DESCRIPTION,
                f"description may have {LONGEST_DESCRIPTION:,} characters",
            ),
            (not images, "images is missing: at least one is needed"),
            (len(images) > MOST_IMAGES, f"images may be {MOST_IMAGES} at most"),
            (in_stock and product["quantity"] < 1, "quantity is 0: nothing is left to sell"),
        )
        if wrong
    ]


async def product_sent(handler: BaseJobHandler, product: dict[str, Any]) -> ProductSent:
    """Return the product as a browser gets it, with images that the browser can fetch now.

    Raises:
        ImageRefused: an image is not in the media directory, or is not an image.
    """
    urls = await handler.image_urls(product["images"])
    return ProductSent(**{**product, "images": urls})
