"""Inserts the action types of handler plugins if they are missing, and never changes them."""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from runtime.marketplaces.record import ActionType
from runtime.storage.models import MarketplaceActionType


def ensure_action_types(session: Session, declared: Mapping[tuple[str, str], ActionType]) -> None:
    """Insert the action types that are missing; an operator's changes to others stay.

    Args:
        declared: the action types by marketplace and code.
    """
    if not declared:
        return
    # Services that start at the same time insert the same rows, so that a conflict is no error.
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
