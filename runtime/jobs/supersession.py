"""Decides what a new job does to older jobs of its product, and forbids a second publish."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from runtime.errors import AlreadyPublished
from runtime.storage.models import MarketplaceJob
from runtime.storage.queue import superseded_jobs

# Older jobs are withdrawn in the transaction that creates the new one, so that no claim can take
# a needless job in between.
PUBLISH = "publish"

WITHDRAWS: dict[str, tuple[str, ...]] = {
    "update": ("update",),
    "delete": ("publish", "update"),
}
"""The actions of never-started jobs of the same shop and product that a new job withdraws."""


def withdraw_older(session: Session, action: str, created: Sequence[MarketplaceJob]) -> None:
    """Withdraw the older jobs that the new jobs, of one shop and action, make needless."""
    withdrawn = WITHDRAWS.get(action)
    # A job without a product, such as a sync, makes no other job needless.
    of_products = [job for job in created if job.product_key is not None]
    if withdrawn and of_products:
        superseded_jobs.withdraw_older(session, of_products, action, withdrawn)


def refuse_second_publish(
    session: Session, shop_id: int, keys: Sequence[str], run_at: datetime | None
) -> None:
    """Refuse to publish a product that is on sale in the shop already, or is being published.

    Raises:
        AlreadyPublished
    """
    # A publish behind a due delete is allowed: the seller wants the product off and on again, and
    # jobs of one product run in the order of their creation.
    found = superseded_jobs.standing(session, shop_id, keys, run_at)
    if found:
        first = found[0]
        raise AlreadyPublished(
            first.product_key,
            shop_id,
            listing_id=first.listing_id,
            job_id=first.job_id,
            more=len(found) - 1,
        )
