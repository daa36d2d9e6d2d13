"""Takes a product that was sold in one shop off the seller's other shops.

A shop takes part if its setting ``follow_sales`` is ``yes``.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from runtime.jobs.creation import create
from runtime.jobs.request import JobRequest
from runtime.products.order import OrderRow
from runtime.shops.settings import FOLLOW_SALES
from runtime.storage.models import Listing, Shop
from runtime.storage.queue.action_types import find_action_type
from runtime.storage.selling.order_rows import Sale, UpsertedOrders, upsert_orders


class StoredOrders(UpsertedOrders):
    """The result of storing orders; ``jobs`` bring the seller's other shops up to date."""

    jobs: list[int]


def store_orders(session: Session, shop_id: int, rows: Sequence[OrderRow]) -> StoredOrders:
    """Store orders, and create the jobs that take sold products off the seller's other shops."""
    stored = upsert_orders(session, shop_id, rows)
    return StoredOrders(**stored, jobs=follow_sales(session, shop_id, stored["sales"]))


def follow_sales(session: Session, shop_id: int, sales: Sequence[Sale]) -> list[int]:
    """Create the jobs that bring the seller's other shops up to date; returns their ids.

    A job is a ``delete`` if no piece of the product remains, and an ``update`` otherwise. Each pair
    of sale and listing gets one job, however often this function is called for it. It runs in the
    transaction that stored the sales, so that no sale is stored without its jobs.
    """
    created: list[int] = []
    for sale in sales:
        # Every listing is named in its job: a product can be on sale more than once in a shop, and
        # the job has to take off the one that is meant.
        for listing, shop in _on_sale_elsewhere(session, shop_id, sale["product_id"]):
            action = "update" if sale["left"] else "delete"
            if not _takes_part(shop) or not find_action_type(session, shop.marketplace, action):
                continue
            request = JobRequest(
                marketplace=shop.marketplace,
                action_code=action,
                user_id=shop.user_id,
                shop_id=shop.id,
                product_id=sale["product_id"],
                input_data={"external_id": listing.external_id},
                # However often a sale is stored, the key makes one job of it.
                idempotency_key=f"sale-{sale['line_id']}-listing-{listing.id}",
            )
            created.append(create(session, request).id)
    return created


def _on_sale_elsewhere(session: Session, shop_id: int, product_id: int) -> Sequence[Any]:
    return session.execute(
        select(Listing, Shop)
        .join(Shop, Shop.id == Listing.shop_id)
        .where(
            Listing.product_id == product_id, Listing.status == "live", Listing.shop_id != shop_id
        )
        .order_by(Listing.id)
    ).all()


def _takes_part(shop: Shop) -> bool:
    return shop.settings.get(FOLLOW_SALES) == "yes"
