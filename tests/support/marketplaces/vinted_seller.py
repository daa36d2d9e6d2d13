"""A node with all handlers of Vinted, and a seller whose browser is connected to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from plugins.vinted.delete import DeleteVinted
from plugins.vinted.link_product import LinkProductVinted
from plugins.vinted.marketplace import vinted
from plugins.vinted.message import MessageVinted
from plugins.vinted.orders import OrdersVinted
from plugins.vinted.protocol import PROTOCOL
from plugins.vinted.publish import PublishVinted
from plugins.vinted.sandbox import SimulatedBrowser, Wardrobe
from plugins.vinted.sync import SyncVinted
from plugins.vinted.update import UpdateVinted
from runtime.bridge.seller_tokens import issue_token
from runtime.handlers.registry import Registry
from runtime.jobs.service import MarketplaceJobService
from runtime.process.config import Settings
from runtime.process.data_directory import token_secret
from runtime.products.product import checked_product
from runtime.rate_limits.closures import Closure
from runtime.storage.models import Conversation, Listing, MarketplaceJob, Order, Product
from runtime.storage.selling.product_rows import upsert_products
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, result_of
from tests.support.deadline import wait_until
from tests.support.marketplaces.action_types import IMPATIENT_SECONDS, unpaced
from tests.support.processes.running_node import Scene, registry_of, running_node

SELLER = 7
ACCOUNT = "123"
SETTLES_WITHIN = timedelta(seconds=0.3)


class QuickPublish(PublishVinted):
    """Nothing of the sandbox takes minutes."""

    settles_within = SETTLES_WITHIN


class QuickMessage(MessageVinted):
    """Nor this."""

    settles_within = SETTLES_WITHIN


HASTY = replace(vinted(), budgets=replace(vinted().budgets, shop=(), jitter=timedelta(0)))
"""Vinted at the pace of a test."""

HANDLERS = {
    "publish": QuickPublish,
    "update": UpdateVinted,
    "delete": DeleteVinted,
    "orders": OrdersVinted,
    "sync": SyncVinted,
    "message": QuickMessage,
    "link_product": LinkProductVinted,
}


def hasty_registry() -> Registry:
    """All handlers of Vinted, at that pace."""
    keyed = {(action, "vinted"): handler for action, handler in HANDLERS.items()}
    return registry_of(HASTY, handlers=keyed)


def product(sku: str = "A-1", **changes: Any) -> dict[str, Any]:
    """A product that Vinted takes."""
    return {
        "sku": sku,
        "title": f"Robe {sku}",
        "description": "Bleue, portée deux fois.",
        "price": "12.50",
        "currency": "EUR",
        "brand": "Sézane",
        "condition": "good",
        "category": "dresses",
        "images": ["https://img.example/1.jpg"],
        **changes,
    }


@dataclass
class VintedShop:
    """A seller's shop on a running node, and its wardrobe on Vinted."""

    scene: Scene
    database: Database
    settings: Settings
    wardrobe: Wardrobe
    shop_id: int
    browsers: list[SimulatedBrowser] = field(default_factory=list)

    def browser(self, **options: Any) -> SimulatedBrowser:
        """The seller opens a tab."""
        token = issue_token(SELLER, token_secret(self.settings), "HS256", timedelta(hours=1))
        url = f"http://127.0.0.1:{self.scene.node.bridge_port}"
        tab = SimulatedBrowser(url, SELLER, token, self.wardrobe, **options)
        tab.connect()
        self.browsers.append(tab)
        return tab

    def second_tab(self) -> SimulatedBrowser:
        """The seller opens a tab beside the first one."""
        tab = self.browsers[0].open_second_tab()
        self.browsers.append(tab)
        return tab

    def job(self, action: str, **input_data: Any) -> int:
        """A new job."""
        return add_job(self.database, self.shop_id, action, input_data=input_data)

    def ended(self, job_id: int) -> MarketplaceJob:
        """The job once it is over."""
        return self.scene.ended(job_id)

    def run(self, action: str, **input_data: Any) -> MarketplaceJob:
        """A job from its creation to its end."""
        return self.ended(self.job(action, **input_data))

    def done(self, action: str, **input_data: Any) -> dict[str, Any]:
        """The result of a job that must succeed."""
        job = self.run(action, **input_data)
        assert job.status == "completed", (job.status, job.error_message, job.waiting_reason)
        return result_of(job)

    def held_up(self, job_id: int) -> MarketplaceJob:
        """The job once it waits for more than its turn, as it must: it may not fail."""

        def probe() -> MarketplaceJob | None:
            with self.database.session() as session:
                job = session.get_one(MarketplaceJob, job_id)
                assert job.status != "failed", job.error_message
                waits = job.status in {"pending", "paused"} and job.fence and job.waiting_reason
                return job if waits else None

        return wait_until(probe)

    def unanswered(self, action: str, **input_data: Any) -> None:
        """A job that is tried twice, and fails because nobody answers it."""
        self.calls_end_early()
        job_id = add_job(self.database, self.shop_id, action, input_data=input_data, max_retries=1)
        job = self.scene.ended(job_id)
        assert (job.status, job.retry_count) == ("failed", 1), job.error_message

    def calls_end_early(self) -> None:
        """From the next job on, give up a call that takes two seconds."""
        unpaced(self.database, timeout_seconds=IMPATIENT_SECONDS)

    def add_products(self, *products: dict[str, Any]) -> None:
        """Store products of the seller."""
        with self.database.session.begin() as session:
            upsert_products(session, SELLER, [checked_product(one) for one in products])

    def resume(self) -> list[Closure]:
        """The operator opens the shop again; what it was closed for."""
        with self.database.session.begin() as session:
            return MarketplaceJobService(session).resume_shop(self.shop_id)

    def waits(self, job_id: int, words: str) -> MarketplaceJob:
        """The job once it waits for a reason with these words in it."""

        def probe() -> MarketplaceJob | None:
            with self.database.session() as session:
                job = session.get_one(MarketplaceJob, job_id)
                return job if words in (job.waiting_reason or "") else None

        return wait_until(probe)

    def item(self, item_id: str) -> dict[str, Any]:
        """An item of the wardrobe, which must be there."""
        found = self.wardrobe.find(item_id)
        assert found is not None, item_id
        return found

    def messages(self, conversation_id: object) -> list[dict[str, Any]]:
        """Return the messages of a conversation, which must be there."""
        found = self.wardrobe.conversation(conversation_id)
        assert found is not None, conversation_id
        return list(found["messages"])

    def listings(self) -> dict[str, str]:
        """The status of each listing, by the marketplace's id."""
        return {one.external_id: one.status for one in self.rows(Listing)}

    def rows(self, model: type[Any]) -> list[Any]:
        """All rows of a table."""
        with self.database.session() as session:
            return list(session.query(model).order_by(model.id))

    def check_the_protocol(self) -> None:
        """Everything that went over the wire has its documented shape."""
        for tab in self.browsers:
            for action, payload in tab.executed:
                PROTOCOL[action].is_payload(payload)
            for action, data in tab.extension.answers:
                if not tab.faults.shapeless:
                    PROTOCOL[action].is_answer(data)


def only(browser: SimulatedBrowser, action: str, **faults: Any) -> None:
    """Let these things go wrong with one action."""
    for name, value in faults.items():
        setattr(browser.faults, name, value)
    browser.faults.only = frozenset({action})


@contextmanager
def open_shop(settings: Settings, database: Database, items: int = 0) -> Iterator[VintedShop]:
    """A running node, and a shop with so many invented items on sale; nobody is connected yet."""
    with database.session.begin() as session:
        shop_id = MarketplaceJobService(session).add_shop("vinted", SELLER, ACCOUNT).id
    unpaced(database)
    with running_node(settings, database, hasty_registry(), bridge_grace_seconds=0.5) as scene:
        shop = VintedShop(
            scene, database, scene.settings, Wardrobe.of(items, shop_id=ACCOUNT), shop_id
        )
        try:
            yield shop
        finally:
            for tab in shop.browsers:
                tab.close()
        shop.check_the_protocol()


__all__ = ["Conversation", "Listing", "Order", "Product", "only", "open_shop", "product"]
