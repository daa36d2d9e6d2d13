"""Handlers of eBay and Etsy whose process dies anywhere, at marketplaces that answer badly.

However it comes: in the end the marketplace holds what it should, exactly once; nothing was paid
for twice; and what is stored here says the same.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import func, select

from plugins.ebay.delete import DeleteEbay
from plugins.ebay.publish import PublishEbay
from plugins.ebay.sync import SyncEbay
from plugins.ebay.sync_orders import SyncOrdersEbay
from plugins.ebay.update import UpdateEbay
from plugins.etsy.delete import DeleteEtsy
from plugins.etsy.publish import PublishEtsy
from plugins.etsy.sync import SyncEtsy
from plugins.etsy.sync_orders import SyncOrdersEtsy
from plugins.etsy.update import UpdateEtsy
from runtime.handlers.job_handler import BaseJobHandler
from runtime.jobs.service import MarketplaceJobService
from runtime.products.product import checked_product
from runtime.runs.job import Shop
from runtime.sandbox import Fault
from runtime.storage.models import Listing, MarketplaceJob, Order, OrderLine, Product
from runtime.storage.selling.product_rows import product_by_sku, upsert_products
from runtime.storage.server.engine import Database
from tests.support.handlers.handler_harness import make_job
from tests.support.marketplaces import ebay_seller, etsy_shop
from tests.support.marketplaces.sandbox_world import SandboxWorld, run_through

HANDLERS: dict[str, type[BaseJobHandler]] = {
    "publish_ebay": PublishEbay, "update_ebay": UpdateEbay, "delete_ebay": DeleteEbay,
    "sync_ebay": SyncEbay, "sync_orders_ebay": SyncOrdersEbay,
    "publish_etsy": PublishEtsy, "update_etsy": UpdateEtsy, "delete_etsy": DeleteEtsy,
    "sync_etsy": SyncEtsy, "sync_orders_etsy": SyncOrdersEtsy,
}  # fmt: skip
SETTINGS = {"ebay": ebay_seller.SETTINGS, "etsy": etsy_shop.SETTINGS}
PRODUCT = {
    "ebay": ebay_seller.product,
    "etsy": lambda sku: etsy_shop.product(sku, images=["https://images.example.com/1.jpg"]),
}
WRITES = {
    "ebay": ["createOrReplaceInventoryItem", "createOffer", "publishOffer", "updateOffer",
             "withdrawOffer", "deleteInventoryItem"],
    "etsy": ["createDraftListing", "uploadListingImage", "updateListingInventory",
             "updateListing", "deleteListing"],
}  # fmt: skip
FAULTS = [Fault.DONE_BUT_FAILED, Fault.UNANSWERED, Fault.LATE, Fault.REFUSED]
SKUS = ("A-1", "A-2", "A-3")
numbers = count(1)


@dataclass
class Scene:
    """One seller with a shop on a simulated marketplace, and another shop elsewhere."""

    database: Database
    marketplace: str
    user: int = field(default_factory=lambda: next(numbers))

    def __post_init__(self) -> None:
        self.world = SandboxWorld(self.marketplace)
        self.account = str(getattr(self.world.sandbox, "shop_id", f"seller-{self.user}"))
        with self.database.session.begin() as session:
            service = MarketplaceJobService(session)
            # An account on Etsy is one user's; its number here is of no importance.
            name = f"{self.account}-{self.user}"
            self.shop = service.add_shop(self.marketplace, self.user, name).id
            other = service.add_shop("vinted", self.user, f"other-{self.user}")
            other.settings = {"follow_sales": "yes"}
            upsert_products(
                session, self.user, [checked_product(self.product(sku)) for sku in SKUS]
            )
            found = [product_by_sku(session, self.user, sku) for sku in SKUS]
            self.products = {one.sku: one.id for one in found if one}
            for sku in SKUS:
                session.add(
                    Listing(shop_id=other.id, external_id=sku, product_id=self.products[sku])
                )

    def product(self, sku: str, **changes: Any) -> dict[str, Any]:
        return {**PRODUCT[self.marketplace](sku), "quantity": 3, **changes}

    def run(
        self, action: str, crashes: list[int], sku: str | None = None, **changes: Any
    ) -> tuple[Any, int]:
        """One job from its first run to its end."""
        self.world.journal.clear()
        self.world.quiet.clear()
        job = make_job(
            action,
            self.marketplace,
            id=next(numbers),
            user_id=self.user,
            shop=Shop(self.shop, self.account, None, SETTINGS[self.marketplace]),
            product=self.product(sku, **changes) if sku else None,
            product_id=self.products[sku] if sku else None,
        )
        handler = HANDLERS[f"{action}_{self.marketplace}"]
        return run_through(self.world, self.database, handler, job, crashes)

    def on_sale(self) -> dict[str, tuple[str, str]]:
        """At the marketplace: price and SKU of each listing that buyers can see, by its id."""
        sandbox = self.world.sandbox
        if self.marketplace == "ebay":
            return {
                listing_id: (offer["pricingSummary"]["price"]["value"], offer["sku"])
                for listing_id, offer in sandbox.listings.items()
            }
        return {
            str(listing_id): (
                f"{one['price']['amount'] / one['price']['divisor']:.2f}",
                one["inventory"]["products"][0]["sku"],
            )
            for listing_id, one in sandbox.listings.items()
            if one["state"] == "active"
        }

    def stored(self) -> set[str]:
        """Here: the listings that are on sale in this shop."""
        with self.database.session() as session:
            query = select(Listing.external_id).where(
                Listing.shop_id == self.shop, Listing.status == "live"
            )
            return set(session.scalars(query))

    def left_over(self) -> int:
        """Things at the marketplace that belong to no listing."""
        sandbox = self.world.sandbox
        if self.marketplace == "ebay":
            return len(sandbox.offers) - len(sandbox.listings) + len(sandbox.items) - len(
                {offer["sku"] for offer in sandbox.offers.values()}
            )  # fmt: skip
        return sum(one["state"] == "draft" for one in sandbox.listings.values())


def published(scene: Scene, crashes: list[int]) -> Callable[[], int]:
    def act() -> int:
        result, stages = scene.run("publish", crashes, "A-1")
        scene.world.wait_until(scene.world.now + 3_600)
        assert scene.on_sale() == {result["external_id"]: ("12.50", "A-1")}
        assert scene.stored() == {result["external_id"]}
        assert len(scene.world.sandbox.fees) == 1
        assert scene.left_over() == 0
        return stages

    return act


def updated(scene: Scene, crashes: list[int]) -> Callable[[], int]:
    listing, _ = scene.run("publish", [], "A-1")

    def act() -> int:
        _, stages = scene.run("update", crashes, "A-1", price="9.00", quantity=2)
        scene.world.wait_until(scene.world.now + 3_600)
        assert scene.on_sale() == {listing["external_id"]: ("9.00", "A-1")}
        assert scene.stored() == {listing["external_id"]}
        assert len(scene.world.sandbox.fees) == 1
        return stages

    return act


def deleted(scene: Scene, crashes: list[int]) -> Callable[[], int]:
    scene.run("publish", [], "A-1")
    other, _ = scene.run("publish", [], "A-2")

    def act() -> int:
        _, stages = scene.run("delete", crashes, "A-1")
        scene.world.wait_until(scene.world.now + 3_600)
        assert set(scene.on_sale()) == {other["external_id"]} == scene.stored()
        assert len(scene.world.sandbox.fees) == 2
        assert scene.left_over() == 0
        return stages

    return act


def synced(scene: Scene, crashes: list[int]) -> Callable[[], int]:
    for sku in SKUS:
        scene.run("publish", [], sku)
    with scene.database.session.begin() as session:
        session.query(Listing).filter(Listing.shop_id == scene.shop).delete()
        session.add(Listing(shop_id=scene.shop, external_id="404", title="sold long ago"))

    def act() -> int:
        result, stages = scene.run("sync", crashes)
        assert scene.stored() == set(scene.on_sale())
        assert len(scene.on_sale()) == 3 == len(scene.world.sandbox.fees)
        assert result["gone"] == 1
        return stages

    return act


def sold(scene: Scene, crashes: list[int]) -> Callable[[], int]:
    scene.run("publish", [], "A-1")
    scene.world.wait_until(scene.world.now + 60)
    for _ in range(2):
        scene.world.sandbox.sell("A-1")

    def act() -> int:
        result, stages = scene.run("sync_orders", crashes)
        with scene.database.session() as session:
            orders = select(Order.id).where(Order.shop_id == scene.shop)
            assert len(list(session.scalars(orders))) == 2
            lines = select(func.sum(OrderLine.quantity)).where(OrderLine.order_id.in_(orders))
            assert session.scalar(lines) == 2
            assert session.get_one(Product, scene.products["A-1"]).quantity == 1
            following = select(MarketplaceJob).where(MarketplaceJob.user_id == scene.user)
            jobs = list(session.scalars(following))
            assert {job.product_id for job in jobs} == {scene.products["A-1"]}
            assert len(jobs) == 2 == len(result["jobs"])
        return stages

    return act


ACTS = {
    "publish": published, "update": updated, "delete": deleted, "sync": synced, "sync_orders": sold
}  # fmt: skip


@pytest.mark.parametrize("marketplace", ["ebay", "etsy"])
@pytest.mark.parametrize("action", ACTS)
def test_a_process_that_dies_at_any_point(
    database: Database, action: str, marketplace: str
) -> None:
    stages = ACTS[action](Scene(database, marketplace), [])()
    assert stages > 5
    for stage in range(stages):
        ACTS[action](Scene(database, marketplace), [stage])()


@pytest.mark.parametrize("marketplace", ["ebay", "etsy"])
@pytest.mark.parametrize("action", ACTS)
def test_a_process_that_dies_again_and_again_while_writes_go_wrong(
    database: Database, action: str, marketplace: str
) -> None:
    for seed in range(10):
        chance = random.Random(seed)
        scene = Scene(database, marketplace)
        crashes = [chance.randrange(40) for _ in range(chance.randrange(5))]
        act = ACTS[action](scene, crashes)
        for operation in WRITES[marketplace]:
            if chance.random() < 0.6:
                scene.world.sandbox.faults.plan(
                    operation, chance.choice(FAULTS), lands_after=timedelta(seconds=5)
                )
        act()
