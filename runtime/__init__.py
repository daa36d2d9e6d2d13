"""The public API: everything a handler plugin or an application imports."""

from runtime.budgets import Budgets, Limit
from runtime.closures import Level
from runtime.errors import JobCancelled, JobFailed, Snooze
from runtime.handler import BaseJobHandler
from runtime.hookspecs import ActionType, Marketplace, hookimpl
from runtime.job import Job, Shop

__all__ = [
    "ActionType",
    "BaseJobHandler",
    "Budgets",
    "Job",
    "JobCancelled",
    "JobFailed",
    "Level",
    "Limit",
    "Marketplace",
    "Shop",
    "Snooze",
    "hookimpl",
]
