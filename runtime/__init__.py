"""The public API: everything a handler plugin or an application imports."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from runtime import former_paths
from runtime.errors import JobCancelled, JobFailed, NeedsUser, Snooze
from runtime.errors.program import PROGRAM
from runtime.handlers.base import BaseJobHandler
from runtime.handlers.hookspecs import hookimpl
from runtime.marketplaces.record import ActionType, Marketplace
from runtime.rate_limits import Budgets, Limit
from runtime.rate_limits.closures import Level
from runtime.runs.calls import ImageFile
from runtime.runs.job import Job, Shop

if TYPE_CHECKING:
    from runtime.inline.processor import MarketplaceJobProcessor
    from runtime.jobs.batch_service import BatchJobService
    from runtime.jobs.service import MarketplaceJobService

__all__ = [
    "PROGRAM",
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

former_paths.install()

_OF_APPLICATIONS = {
    "BatchJobService": "runtime.jobs.batch_service",
    "MarketplaceJobProcessor": "runtime.inline.processor",
    "MarketplaceJobService": "runtime.jobs.service",
}


def __getattr__(name: str) -> Any:
    """Load what needs the database when it is asked for; handler plugins never do."""
    if name not in _OF_APPLICATIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_OF_APPLICATIONS[name]), name)
