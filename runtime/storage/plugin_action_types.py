"""Action types that handler plugins bring: inserted when missing, never changed."""

from datetime import timedelta

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from runtime.hookspecs import ActionType
from runtime.registry import Registry, action_of, marketplace_of
from runtime.storage.models import MarketplaceActionType


def ensure_action_types(session: Session, registry: Registry) -> None:
    """Insert what is missing for the loaded handlers.

    A handler whose marketplace declares no action type of its name gets one with defaults.
    """
    declared = {
        (marketplace.name, one.code): one
        for marketplace in registry.marketplaces.values()
        for one in marketplace.action_types
    }
    for key in registry.handlers:
        action = action_of(key)
        name = action.replace("_", " ").capitalize()
        declared.setdefault((marketplace_of(key), action), ActionType(action, name))
    if not declared:
        return
    session.execute(
        insert(MarketplaceActionType).on_conflict_do_nothing(),
        [
            {
                "marketplace": marketplace,
                "code": one.code,
                "name": one.name,
                "description": one.description,
                "priority": one.priority,
                "is_batch": one.is_batch,
                "rate_limit_ms": one.rate_limit // timedelta(milliseconds=1),
                "max_retries": one.max_retries,
                "timeout_seconds": one.timeout // timedelta(seconds=1),
            }
            for (marketplace, _), one in declared.items()
        ],
    )
