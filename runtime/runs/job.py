"""The values that describe one claimed job; a handler is given them to work on."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from runtime.runs.journal import RecordedStep


@dataclass(frozen=True, slots=True)
class Shop:
    """One seller's account on one marketplace.

    Attributes:
        external_id: the marketplace's own name for the account.
        settings: the settings of this shop on the marketplace (a JSON object).
    """

    id: int
    external_id: str
    name: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """One claim of one job.

    Attributes:
        fence: a number that grows with every claim; a write with an older fence matches no row.
        rate_limit: the least time between two calls of this action for this shop.
        timeout: the default timeout of one call, counted from the time when it leaves.
        waited: the time for which the job had been due when it was claimed.
        product: the product as it was when the job first started, or None.
        journal: the steps that former runs have recorded.
    """

    id: int
    fence: int
    marketplace: str
    action: str
    user_id: int
    shop: Shop
    priority: int
    retry_count: int
    max_retries: int
    rate_limit: timedelta
    timeout: timedelta
    created_at: datetime
    # A duration, because only the database's clock knows since when the job was due.
    waited: timedelta = timedelta(0)
    product_id: int | None = None
    input_data: dict[str, Any] = field(default_factory=dict)
    product: dict[str, Any] | None = None
    cancel_requested: bool = False
    journal: tuple[RecordedStep, ...] = ()

    @property
    def key(self) -> str:
        """The handler key, ``<action>_<marketplace>``."""
        return handler_key(self.action, self.marketplace)

    @property
    def log_context(self) -> dict[str, Any]:
        """The fields that every log line about this job carries."""
        return {
            "job": self.id,
            "marketplace": self.marketplace,
            "action": self.action,
            "shop": self.shop.id,
            "fence": self.fence,
        }


def handler_key(action: str, marketplace: str) -> str:
    """Return the key of a handler: ``publish`` on ``vinted`` is ``publish_vinted``."""
    return f"{action}_{marketplace}"
