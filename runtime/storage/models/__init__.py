"""The tables as SQLAlchemy's models.

``public.marketplace_action_types`` is shared with the application; all other tables lie in the
schema ``marketplace_runtime``. Migrations create the tables, and a test compares the two.
"""

from runtime.storage.models.action_types import MarketplaceActionType
from runtime.storage.models.declarative_base import SCHEMA, Base
from runtime.storage.models.former_rows import FormerActionType, FormerRow
from runtime.storage.models.jobs import MarketplaceJob, MarketplaceTask
from runtime.storage.models.nodes import BrowserLastSeen, BrowserPresence, RuntimeNode
from runtime.storage.models.scheduling import BatchJob, BudgetClosure, BudgetUsage, JobSchedule
from runtime.storage.models.selling import Conversation, Listing, Order, OrderLine, Product
from runtime.storage.models.shops import Shop, ShopCredentials

__all__ = [
    "SCHEMA",
    "Base",
    "BatchJob",
    "BrowserLastSeen",
    "BrowserPresence",
    "BudgetClosure",
    "BudgetUsage",
    "Conversation",
    "FormerActionType",
    "FormerRow",
    "JobSchedule",
    "Listing",
    "MarketplaceActionType",
    "MarketplaceJob",
    "MarketplaceTask",
    "Order",
    "OrderLine",
    "Product",
    "RuntimeNode",
    "Shop",
    "ShopCredentials",
]
