"""A node with the five handlers of eBay, and a seller whose shop is on a simulated eBay."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr
from sqlalchemy import text

from plugins.ebay.delete import DeleteEbay
from plugins.ebay.marketplace import ebay
from plugins.ebay.publish import PublishEbay
from plugins.ebay.sandbox import EbaySandbox
from plugins.ebay.settings import EbaySettings
from plugins.ebay.sync import SyncEbay
from plugins.ebay.sync_orders import SyncOrdersEbay
from plugins.ebay.update import UpdateEbay
from runtime.marketplaces.credentials import Credentials, Vault
from runtime.marketplaces.record import Marketplace
from runtime.process.config import Settings
from runtime.process.data_directory import encryption_keys
from runtime.shops.connection import connect_shop
from runtime.storage.models import Listing, MarketplaceJob, Product
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, result_of
from tests.support.deadline import wait_until
from tests.support.marketplaces.action_types import IMPATIENT_SECONDS, unpaced
from tests.support.marketplaces.openapi_validation import assert_conforms
from tests.support.processes.running_node import Scene, registry_of, running_node

SELLER = 7
ACCOUNT = "example-seller"
SETTLES_WITHIN = timedelta(seconds=0.3)
SETTINGS = {
    "marketplace_id": "EBAY_FR",
    "currency": "EUR",
    "language": "fr-FR",
    "fulfillment_policy_id": "fulfillment-1",
    "payment_policy_id": "payment-1",
    "return_policy_id": "return-1",
    "merchant_location_key": "warehouse",
    "category_map": {"scarves": "45238"},
    "condition_map": {"good": "USED_GOOD"},
    "aspect_map": {"brand": "Marque", "size": "Taille", "color": "Couleur"},
}


class QuickPublish(PublishEbay):
    """Nothing of the sandbox takes half a minute."""

    settles_within = SETTLES_WITHIN


class QuickUpdate(UpdateEbay):
    """Nor this."""

    settles_within = SETTLES_WITHIN


class QuickDelete(DeleteEbay):
    """Nor this."""

    settles_within = SETTLES_WITHIN


HANDLERS = {
    "publish": QuickPublish,
    "update": QuickUpdate,
    "delete": QuickDelete,
    "sync": SyncEbay,
    "sync_orders": SyncOrdersEbay,
}


def product(sku: str = "A-1", **changes: Any) -> dict[str, Any]:
    """A product that eBay takes."""
    return {
        "sku": sku,
        "title": f"Écharpe {sku}",
        "description": "Douce et chaude.",
        "price": "12.50",
        "currency": "EUR",
        "quantity": 2,
        "brand": "Sézane",
        "condition": "good",
        "category": "scarves",
        "images": ["https://images.example.com/1.jpg"],
        **changes,
    }


def record_of(sandbox: EbaySandbox) -> Marketplace:
    """The record of eBay, which leads to the sandbox."""
    return ebay(
        EbaySettings(
            api_url=sandbox.url,
            auth_url=sandbox.url,
            client_id=sandbox.oauth.client_id,
            client_secret=SecretStr(sandbox.oauth.client_secret),
            runame=sandbox.oauth.runame,
        )
    )


@dataclass
class EbayShop:
    """A seller's shop on a running node."""

    scene: Scene
    database: Database
    ebay: EbaySandbox
    record: Marketplace
    vault: Vault
    id: int

    def job(self, action: str, **more: Any) -> int:
        """A new job; ``product`` and other keywords that no column has are its input."""
        columns = {name: more.pop(name) for name in ("product_id", "force") if name in more}
        return add_job(self.database, self.id, action, "ebay", input_data=more, **columns)

    def run(self, action: str, **more: Any) -> MarketplaceJob:
        """A job from its creation to its end."""
        return self.scene.ended(self.job(action, **more))

    def done(self, action: str, **more: Any) -> dict[str, Any]:
        """The result of a job that must succeed."""
        job = self.run(action, **more)
        assert job.status == "completed", (job.status, job.error_message, job.waiting_reason)
        return result_of(job)

    def failed(self, action: str, **more: Any) -> str:
        """Why a job failed, which it must."""
        job = self.run(action, **more)
        assert job.status == "failed", (job.status, job.result_data)
        return str(job.error_message)

    def waits(self, job_id: int, words: str) -> MarketplaceJob:
        """The job once it waits for a reason with these words in it."""

        def probe() -> MarketplaceJob | None:
            with self.database.session() as session:
                job = session.get_one(MarketplaceJob, job_id)
                return job if words in (job.waiting_reason or "") else None

        return wait_until(probe)

    def set(self, **settings: Any) -> None:
        """Change the shop's settings."""
        with self.database.session.begin() as session:
            session.execute(
                text(
                    "UPDATE marketplace_runtime.shops SET settings = settings || "
                    "CAST(:new AS jsonb) WHERE id = :id"
                ),
                {"new": json.dumps(settings), "id": self.id},
            )

    def calls_end_early(self) -> None:
        """From the next job on, give up a call that takes two seconds."""
        unpaced(self.database, timeout_seconds=IMPATIENT_SECONDS)

    def consent(self) -> None:
        """The seller consents, again."""
        connect(self.database, self.vault, self.ebay, self.record)

    def rows(self, model: type[Any]) -> list[Any]:
        """All rows of a table."""
        with self.database.session() as session:
            return list(session.query(model).order_by(model.id))

    def listings(self) -> dict[str, str]:
        """The status of each listing, by eBay's id."""
        return {one.external_id: one.status for one in self.rows(Listing)}

    def quantity(self, sku: str) -> int:
        """How many of a product are left."""
        return int(next(one.quantity for one in self.rows(Product) if one.sku == sku))


def connect(database: Database, vault: Vault, sandbox: EbaySandbox, record: Marketplace) -> int:
    """Keep the tokens of a seller's consent."""
    tokens = sandbox.connect()
    expires = datetime.now(UTC) + timedelta(seconds=tokens["expires_in"])
    credentials = Credentials(tokens["access_token"], expires, tokens["refresh_token"])
    with database.session.begin() as session:
        shop = connect_shop(session, vault, record, SELLER, ACCOUNT, credentials)
        return shop.id


@contextmanager
def open_ebay(
    settings: Settings, database: Database, *, conforms: bool = True
) -> Iterator[EbayShop]:
    """A running node and a connected shop.

    Args:
        conforms: every request and answer is checked against eBay's documents in the end.
    """
    with EbaySandbox() as sandbox:
        record = record_of(sandbox)
        vault = Vault(encryption_keys(settings))
        unpaced(database)
        shop_id = connect(database, vault, sandbox, record)
        keyed = {(action, "ebay"): handler for action, handler in HANDLERS.items()}
        with running_node(settings, database, registry_of(record, handlers=keyed)) as scene:
            shop = EbayShop(scene, database, sandbox, record, vault, shop_id)
            shop.set(**SETTINGS)
            yield shop
    if conforms:
        assert_conforms("ebay", sandbox.exchanges)
