"""Rows for tests: products, and what is on sale."""

from runtime.storage.models import Listing, Product
from runtime.storage.server.engine import Database


def add_products(database: Database, count: int, user_id: int = 7) -> list[int]:
    """Products of that user; returns their ids."""
    with database.session.begin() as session:
        products = [
            Product(user_id=user_id, sku=f"sku-{user_id}-{n}", title=f"Dress {n}", data={})
            for n in range(count)
        ]
        session.add_all(products)
        session.flush()
        return [product.id for product in products]


def add_listing(database: Database, shop_id: int, product_key: str, status: str = "live") -> int:
    """A listing of that product; returns its id."""
    with database.session.begin() as session:
        listing = Listing(
            shop_id=shop_id, external_id=f"e-{product_key}", product_key=product_key, status=status
        )
        session.add(listing)
        session.flush()
        return listing.id
