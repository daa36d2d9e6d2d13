"""Rows for tests: shops and jobs, and what became of them."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy.orm import Session

from runtime.jobs.service import MarketplaceJobService
from runtime.products.product import checked_product
from runtime.storage.models import BrowserPresence, MarketplaceJob, Product
from runtime.storage.nodes.membership import register_node
from runtime.storage.selling import product_rows
from runtime.storage.server.engine import Database

STATUS = f"SELECT status FROM {MarketplaceJob.__table__} WHERE id = %s"


def add_shop(database: Database, marketplace: str = "vinted", user_id: int = 7) -> int:
    """A shop of that user, named after it; returns its id."""
    with database.session.begin() as session:
        service = MarketplaceJobService(session)
        return service.add_shop(marketplace, user_id, f"{marketplace}-{user_id}").id


def connect_seller(database: Database, user_id: int = 7) -> None:
    """A browser of that seller, connected to some service."""
    with database.session.begin() as session:
        session.add(BrowserPresence(user_id=user_id, node_id=register_node(session)))


def add_job(
    database: Database, shop_id: int, action: str = "sync", marketplace: str = "vinted", **more: Any
) -> int:
    """A committed job; returns its id."""
    with database.session.begin() as session:
        service = MarketplaceJobService(session)
        return service.create_job(marketplace, action, shop_id=shop_id, **more).id


def inline_product(sku: str = "HAT-1") -> dict[str, Any]:
    """The input of a job in which its product stands."""
    return {"product": {"sku": sku, "title": f"Title {sku}", "price": "5"}}


def add_product(database: Database, sku: str, user_id: int = 7, **more: Any) -> int:
    """A product of that user; returns its id."""
    given = {"sku": sku, "title": f"Title {sku}", "price": "5"} | more
    with database.session.begin() as session:
        product_rows.upsert_products(session, user_id, [checked_product(given)])
        return product_of(session, sku, user_id).id


def set_job(database: Database, job_id: int, values: Mapping[str, Any]) -> None:
    """Overwrite columns of a job, past all rules."""
    with database.session.begin() as session:
        job = session.get_one(MarketplaceJob, job_id)
        for name, value in values.items():
            setattr(job, name, value)


def get_job(database: Database, job_id: int) -> MarketplaceJob:
    """The job as it stands."""
    with database.session() as session:
        return session.get_one(MarketplaceJob, job_id)


def job_has_status(database: Database, job_id: int, statuses: Collection[str]) -> bool:
    """Whether the job has one of these statuses now: a look that costs little."""
    with database.session() as session:
        status = session.connection().exec_driver_sql(STATUS, (job_id,)).scalar_one()
        return status in statuses


def result_of(job: MarketplaceJob) -> dict[str, Any]:
    """The result of a job that has one."""
    assert isinstance(job.result_data, dict), (job.status, job.error_message)
    return job.result_data


def product_of(session: Session, sku: str, user_id: int = 7) -> Product:
    """The stored product of that user, which must be there."""
    product = product_rows.product_by_sku(session, user_id, sku)
    assert product is not None, sku
    return product
