"""The public API: everything a handler plugin or an application imports."""

from runtime.batches import BatchJobService
from runtime.errors import JobCancelled, JobFailed, Snooze
from runtime.handler import BaseJobHandler
from runtime.hookspecs import ActionType, Marketplace, hookimpl
from runtime.job import Job, Shop
from runtime.service import MarketplaceJobService

__all__ = [
    "ActionType",
    "BaseJobHandler",
    "BatchJobService",
    "Job",
    "JobCancelled",
    "JobFailed",
    "Marketplace",
    "MarketplaceJobService",
    "Shop",
    "Snooze",
    "hookimpl",
]
