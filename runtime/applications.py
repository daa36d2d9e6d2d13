"""The names that an application imports: the services that create jobs and look after them.

    session = open_database(load_settings()).session()
    job = MarketplaceJobService(session).create_job("vinted", "sync", user_id=7)
    session.commit()

A service works in the session that it is given, which may be the application's own; nothing in it
commits.
"""

from runtime.errors import (
    ActionTypeNotFound,
    AlreadyPublished,
    BatchNotFound,
    DatabaseNotMigrated,
    DatabaseRefused,
    DatabaseUnavailable,
    IdempotencyConflict,
    IllegalTransition,
    InvalidJson,
    JobNotFound,
    ProductBusy,
    ProductNotFound,
    ProductsNotFound,
    ScheduleExists,
    ScheduleNotFound,
    SellerRequired,
    ShopNotFound,
    ShopRequired,
    WaitTimeout,
)
from runtime.inline.processor import MarketplaceJobProcessor
from runtime.jobs.batch_service import Batch, BatchJobService
from runtime.jobs.request import JobRequest
from runtime.jobs.schedule_service import ScheduleService
from runtime.jobs.service import MarketplaceJobService
from runtime.process.config import Settings, load_settings
from runtime.rate_limits.closures import Closure, Scope
from runtime.runs.batch_status import BatchCounts, BatchStatus
from runtime.runs.job_states import JobStatus
from runtime.storage.models import (
    JobSchedule,
    MarketplaceActionType,
    MarketplaceJob,
    MarketplaceTask,
    Shop,
)
from runtime.storage.server.engine import Database, open_database

__all__ = [
    "ActionTypeNotFound",
    "AlreadyPublished",
    "Batch",
    "BatchCounts",
    "BatchJobService",
    "BatchNotFound",
    "BatchStatus",
    "Closure",
    "Database",
    "DatabaseNotMigrated",
    "DatabaseRefused",
    "DatabaseUnavailable",
    "IdempotencyConflict",
    "IllegalTransition",
    "InvalidJson",
    "JobNotFound",
    "JobRequest",
    "JobSchedule",
    "JobStatus",
    "MarketplaceActionType",
    "MarketplaceJob",
    "MarketplaceJobProcessor",
    "MarketplaceJobService",
    "MarketplaceTask",
    "ProductBusy",
    "ProductNotFound",
    "ProductsNotFound",
    "ScheduleExists",
    "ScheduleNotFound",
    "ScheduleService",
    "Scope",
    "SellerRequired",
    "Settings",
    "Shop",
    "ShopNotFound",
    "ShopRequired",
    "WaitTimeout",
    "load_settings",
    "open_database",
]
