"""The actions that a marketplace with an API usually has, declared once."""

from dataclasses import replace
from datetime import timedelta

from runtime.marketplaces.record import ActionType

WRITE_PACE = timedelta(seconds=1)
READ_TIMEOUT = timedelta(minutes=5)

USUAL_ACTIONS = (
    ActionType("publish", "Publish Product", rate_limit=WRITE_PACE),
    ActionType("update", "Update Product", rate_limit=WRITE_PACE),
    ActionType("delete", "Delete Product", rate_limit=WRITE_PACE),
    # The values are those of the former system's action types, so that its jobs go on as before.
    ActionType("sync", "Sync Products", priority=2, is_batch=True, timeout=READ_TIMEOUT),
    ActionType("sync_orders", "Sync Orders", priority=2, is_batch=True, timeout=READ_TIMEOUT),
)


def usual_actions(**descriptions: str) -> tuple[ActionType, ...]:
    """Return the usual actions that a marketplace has, as they are described there.

    Args:
        descriptions: by the code of the action; an action without a description is left out.

    Raises:
        ValueError: no usual action has that code.
    """
    if unknown := descriptions.keys() - {one.code for one in USUAL_ACTIONS}:
        raise ValueError(f"no usual action has the code {', '.join(sorted(unknown))}")
    return tuple(
        replace(one, description=descriptions[one.code])
        for one in USUAL_ACTIONS
        if one.code in descriptions
    )
