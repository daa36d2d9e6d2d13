"""The names that a handler plugin imports: handlers, calls, a marketplace's record, and errors.

The other public modules are :mod:`runtime.store` (stores what handlers learn),
:mod:`runtime.answers` (reads a marketplace's answers), :mod:`runtime.sandbox` (simulated
marketplaces) and :mod:`runtime.applications` (creates jobs). All others are private and may change.
"""

from typing import TYPE_CHECKING

# Nothing here may load SQLAlchemy, because a test of a handler, or a tool that reads a
# marketplace's record, needs no database; functions that take a session stand in `runtime.store`.
from runtime import former_paths
from runtime.errors import (
    CallFailed,
    CallRejected,
    CallTimeout,
    CannotTell,
    ConfigurationError,
    ConnectionLost,
    DidNotHappen,
    ImageRefused,
    InputError,
    InvalidProduct,
    JobCancelled,
    JobFailed,
    MarketplaceRuntimeError,
    NeedsUser,
    NotAuthorized,
    NotSent,
    OutcomeUnknown,
    RejectionSuppressed,
    SellerNotConnected,
    Snooze,
    StepFailed,
)
from runtime.errors.program import PROGRAM
from runtime.handlers.hookspecs import hookimpl
from runtime.handlers.job_handler import BaseJobHandler
from runtime.marketplaces.record import ActionType, Identification, Marketplace, OAuth2, ShopSetting
from runtime.marketplaces.usual_actions import usual_actions
from runtime.process.api_settings import ApiSettings
from runtime.process.config import checked_base_url, read_settings
from runtime.products.product import checked_product, is_image_url
from runtime.products.product_check import product_to_sell, refuse_flaws
from runtime.rate_limits import Budgets, Limit
from runtime.rate_limits.closures import Level
from runtime.runs.calls import Authorization, Call, HttpCall, ImageFile, WebSocketCall
from runtime.runs.job import Job, Shop

__all__ = [
    "PROGRAM",
    "ActionType",
    "ApiSettings",
    "Authorization",
    "BaseJobHandler",
    "Budgets",
    "Call",
    "CallFailed",
    "CallRejected",
    "CallTimeout",
    "CannotTell",
    "ConfigurationError",
    "ConnectionLost",
    "DidNotHappen",
    "HttpCall",
    "Identification",
    "ImageFile",
    "ImageRefused",
    "InputError",
    "InvalidProduct",
    "Job",
    "JobCancelled",
    "JobFailed",
    "Level",
    "Limit",
    "Marketplace",
    "MarketplaceRuntimeError",
    "NeedsUser",
    "NotAuthorized",
    "NotSent",
    "OAuth2",
    "OutcomeUnknown",
    "RejectionSuppressed",
    "SellerNotConnected",
    "Shop",
    "ShopSetting",
    "Snooze",
    "StepFailed",
    "WebSocketCall",
    "checked_base_url",
    "checked_product",
    "hookimpl",
    "is_image_url",
    "product_to_sell",
    "read_settings",
    "refuse_flaws",
    "usual_actions",
]

former_paths.install()

if TYPE_CHECKING:
    from runtime.applications import BatchJobService as BatchJobService
    from runtime.applications import MarketplaceJobProcessor as MarketplaceJobProcessor
    from runtime.applications import MarketplaceJobService as MarketplaceJobService
else:
    # Hidden from type checkers, which would let every misspelt name pass.
    __getattr__ = former_paths.name_of_runtime
