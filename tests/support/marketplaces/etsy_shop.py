"""A node with all handlers of Etsy, and a seller's shop on the simulated Etsy."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from plugins.etsy.delete import DeleteEtsy
from plugins.etsy.marketplace import etsy
from plugins.etsy.publish import PublishEtsy
from plugins.etsy.sandbox import EtsySandbox
from plugins.etsy.settings import EtsySettings
from plugins.etsy.sync import SyncEtsy
from plugins.etsy.sync_orders import SyncOrdersEtsy
from plugins.etsy.update import UpdateEtsy
from plugins.vinted.marketplace import vinted
from runtime.handlers.job_handler import BaseJobHandler
from runtime.jobs.service import MarketplaceJobService
from runtime.marketplaces.credentials import Credentials, Vault
from runtime.marketplaces.record import Marketplace
from runtime.process.config import Settings
from runtime.process.data_directory import encryption_keys, media_directory
from runtime.products.product import checked_product
from runtime.shops.connection import connect_shop
from runtime.storage import models
from runtime.storage.models import Listing, MarketplaceJob, Product
from runtime.storage.selling.product_rows import upsert_products
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, get_job, result_of
from tests.support.deadline import wait_until
from tests.support.marketplaces.action_types import IMPATIENT_SECONDS, unpaced
from tests.support.marketplaces.openapi_validation import assert_conforms
from tests.support.marketplaces.sandboxes import EtsyApp
from tests.support.processes.running_node import Scene, registry_of, running_node
from tests.support.servers.images import JPEG

SELLER = 7
SETTLES_WITHIN = timedelta(seconds=0.3)
SETTINGS: dict[str, Any] = {
    "currency": "EUR",
    "who_made": "someone_else",
    "when_made": "2010_2019",
    "taxonomy_map": {"dresses": 374},
    "shipping_profile_id": "9001",
}


class QuickPublish(PublishEtsy):
    """The simulated Etsy is done with a request sooner than the real one."""

    settles_within = SETTLES_WITHIN


HANDLERS: dict[str, type[BaseJobHandler]] = {
    "publish": QuickPublish,
    "update": UpdateEtsy,
    "delete": DeleteEtsy,
    "sync": SyncEtsy,
    "sync_orders": SyncOrdersEtsy,
}


def product(sku: str = "A-1", **changes: Any) -> dict[str, Any]:
    """A product that Etsy takes."""
    return {
        "sku": sku,
        "title": "Robe d'été",
        "description": "Bleue, portée deux fois.",
        "price": "12.50",
        "currency": "EUR",
        "category": "dresses",
        "images": ["photos/1.jpg", "photos/2.jpg"],
        "attributes": {"tags": ["robe", "été"]},
        **changes,
    }


def record_of(sandbox: EtsySandbox) -> Marketplace:
    """The record of Etsy, at the sandbox's address."""
    return etsy(
        EtsySettings.model_validate(
            {
                "api_url": sandbox.url,
                "auth_url": sandbox.url,
                "keystring": sandbox.oauth.keystring,
                "shared_secret": sandbox.oauth.shared_secret,
            }
        )
    )


def etsy_environment(sandbox: EtsySandbox) -> dict[str, str]:
    """The variables that let a process use the sandbox."""
    return {
        "RUNTIME_ETSY_API_URL": sandbox.url,
        "RUNTIME_ETSY_AUTH_URL": sandbox.url,
        "RUNTIME_ETSY_KEYSTRING": sandbox.oauth.keystring,
        "RUNTIME_ETSY_SHARED_SECRET": sandbox.oauth.shared_secret,
    }


@dataclass
class EtsyShop:
    """A seller's shop on a running node, and what Etsy has of it."""

    scene: Scene
    database: Database
    etsy: EtsySandbox
    shop_id: int

    def job(self, action: str, **more: Any) -> int:
        """A new job; what is no argument of its creation is its input."""
        known = {name: more.pop(name) for name in ("product_id",) if name in more}
        return add_job(self.database, self.shop_id, action, "etsy", input_data=more, **known)

    def run(self, action: str, **more: Any) -> MarketplaceJob:
        """A job from its creation to its end."""
        return self.scene.ended(self.job(action, **more))

    def done(self, action: str, **more: Any) -> dict[str, Any]:
        """The result of a job that must succeed."""
        job = self.run(action, **more)
        assert job.status == "completed", (job.status, job.error_message, job.waiting_reason)
        return result_of(job)

    def failed(self, action: str, **more: Any) -> str:
        """The error of a job that must fail."""
        job = self.run(action, **more)
        assert job.status == "failed", (job.status, job.result_data)
        return job.error_message or ""

    def waits(self, job_id: int, words: str) -> MarketplaceJob:
        """The job once it waits for a reason with these words in it."""

        def probe() -> MarketplaceJob | None:
            job = get_job(self.database, job_id)
            assert job.status not in {"failed", "completed"}, (job.status, job.error_message)
            return job if words in (job.waiting_reason or "") else None

        return wait_until(probe)

    def calls_end_early(self) -> None:
        """From the next job on, give up a call that takes two seconds."""
        unpaced(self.database, timeout_seconds=IMPATIENT_SECONDS)

    def retry(self, job_id: int) -> None:
        """An operator lets a job be tried again."""
        with self.database.session.begin() as session:
            MarketplaceJobService(session).retry_job(job_id)

    def add_product(self, **changes: Any) -> int:
        """Store a product of the seller; returns its id."""
        with self.database.session.begin() as session:
            upsert_products(session, SELLER, [checked_product(product(**changes))])
            sku = changes.get("sku", "A-1")
            return session.query(Product.id).filter(Product.sku == sku).one()[0]

    def set(self, **settings: Any) -> None:
        """Change the shop's settings."""
        with self.database.session.begin() as session:
            row = session.get_one(models.Shop, self.shop_id)
            row.settings = {**row.settings, **settings}

    def app(self) -> EtsyApp:
        """The seller herself, at another application."""
        return EtsyApp(self.etsy)

    def states(self) -> dict[str, str]:
        """On Etsy: the state of each listing, by its id."""
        return {str(one): listing["state"] for one, listing in self.etsy.listings.items()}

    def stored(self) -> dict[str, str]:
        """With us: the status of each listing, by Etsy's id."""
        return {one.external_id: one.status for one in self.rows(Listing)}

    def rows(self, model: type[Any]) -> list[Any]:
        """All rows of a table."""
        with self.database.session() as session:
            return list(session.query(model).order_by(model.id))


@contextmanager
def open_shop(
    settings: Settings, database: Database, *, refused_too: bool = True
) -> Iterator[EtsyShop]:
    """A running node and a connected shop; all requests are checked against Etsy's document."""
    photos = media_directory(settings) / "photos"
    photos.mkdir(parents=True)
    for number in (1, 2, 3):
        (photos / f"{number}.jpg").write_bytes(JPEG + bytes([number]))
    with EtsySandbox() as sandbox:
        shop_id = _connected(settings, database, sandbox)
        keyed = {(action, "etsy"): handler for action, handler in HANDLERS.items()}
        registry = registry_of(record_of(sandbox), vinted(), handlers=keyed)
        with running_node(settings, database, registry) as scene:
            yield EtsyShop(scene, database, sandbox, shop_id)
    assert_conforms("etsy", sandbox.exchanges, refused_too=refused_too)


def _connected(settings: Settings, database: Database, sandbox: EtsySandbox) -> int:
    tokens = sandbox.connect()
    credentials = Credentials(
        tokens["access_token"],
        datetime.now(UTC) + timedelta(seconds=tokens["expires_in"]),
        tokens["refresh_token"],
    )
    vault = Vault(encryption_keys(settings))
    with database.session.begin() as session:
        account = str(sandbox.shop_id)
        shop = connect_shop(session, vault, record_of(sandbox), SELLER, account, credentials)
        shop.settings = SETTINGS
        shop_id = shop.id
    unpaced(database)
    return shop_id
