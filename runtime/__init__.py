"""The public API: everything a handler plugin or an application imports."""

from runtime.errors import JobCancelled, JobFailed, Snooze
from runtime.handler import BaseJobHandler
from runtime.hookspecs import ActionType, Marketplace, hookimpl
from runtime.job import Job, Shop

__all__ = [
    "ActionType",
    "BaseJobHandler",
    "Job",
    "JobCancelled",
    "JobFailed",
    "Marketplace",
    "Shop",
    "Snooze",
    "hookimpl",
]
