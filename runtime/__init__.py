"""The public API: everything a handler plugin or an application imports."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from runtime.budgets import Budgets, Limit
from runtime.calls import ImageFile
from runtime.closures import Level
from runtime.errors import JobCancelled, JobFailed, NeedsUser, Snooze
from runtime.handler import BaseJobHandler
from runtime.hookspecs import ActionType, Marketplace, hookimpl
from runtime.job import Job, Shop

if TYPE_CHECKING:
    from runtime.batches import BatchJobService
    from runtime.processor import MarketplaceJobProcessor
    from runtime.service import MarketplaceJobService

__all__ = [
    "ActionType",
    "BaseJobHandler",
    "BatchJobService",
    "Budgets",
    "ImageFile",
    "Job",
    "JobCancelled",
    "JobFailed",
    "Level",
    "Limit",
    "Marketplace",
    "MarketplaceJobProcessor",
    "MarketplaceJobService",
    "NeedsUser",
    "Shop",
    "Snooze",
    "hookimpl",
]

_OF_APPLICATIONS = {
    "BatchJobService": "runtime.batches",
    "MarketplaceJobProcessor": "runtime.processor",
    "MarketplaceJobService": "runtime.service",
}


def __getattr__(name: str) -> Any:
    """Load what needs the database when it is asked for; handler plugins never do."""
    if name not in _OF_APPLICATIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_OF_APPLICATIONS[name]), name)
