"""Takes the former system over for tests, and says what they expect to find."""

from datetime import timedelta
from typing import Any

from runtime.former_system.report import Report
from runtime.storage.models import SCHEMA
from runtime.storage.server.engine import Database
from runtime.takeover.former_schema import ImportTerms
from runtime.takeover.importer import FormerImport
from runtime.takeover.shops import FormerShops, parsed_shops
from tests.support.database.migrating import rows

STATUSES = {
    1: "pending", 2: "expired", 3: "paused", 4: "paused", 5: "completed", 6: "failed",
    7: "expired", 8: "cancelled", 9: "pending",
}  # fmt: skip
ACTIONS = {
    1: ("vinted", "sync"), 2: ("vinted", "sync"), 3: ("vinted", "publish"),
    4: ("vinted", "relist"), 5: ("vinted", "publish"), 6: ("vinted", "publish"),
    7: ("vinted", "publish"), 8: ("ebay", "sync_orders"), 9: ("ebay", "sync_orders"),
}  # fmt: skip
SHOP_OF = ["1/vinted=111", "1/ebay=shop-1", "2/vinted=222", "2/ebay=shop-2", "37/vinted=333"]

UNKNOWN = "its account is not known: run `python run.py import-former` again with"

TAKEN = f"""
    SELECT former.schema_name, former.former_id, job.user_id, type.marketplace, type.code,
        job.status
    FROM {SCHEMA}.marketplace_jobs job
    JOIN {SCHEMA}.former_rows former
        ON former.new_id = job.id AND former.table_name = 'marketplace_jobs'
    JOIN public.marketplace_action_types type ON type.id = job.action_type_id
    ORDER BY 1, 2
"""
# Everything of our schema that an import could change.
STATE = {
    name: f"SELECT * FROM {SCHEMA}.{name} ORDER BY 1, 2, 3"
    for name in ("marketplace_jobs", "batch_jobs", "shops", "former_rows", "budget_closures")
}


def take_over(
    database: Database, pattern: str = "user_*", *shop_of: str, dry_run: bool = False, **more: Any
) -> Report:
    shops = FormerShops(parsed_shops(shop_of or SHOP_OF), dry_run)
    more = {"retention": timedelta(days=30)} | more
    return FormerImport(database, ImportTerms(shops=shops, **more)).run(pattern)


def state(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    return {name: rows(database, query) for name, query in STATE.items()}
