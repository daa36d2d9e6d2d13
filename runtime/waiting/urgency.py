"""How urgent a waiting job is: the priority it was given, and how long it has waited. Pure."""

from datetime import datetime, timedelta

MOST_URGENT, LEAST_URGENT = 1, 4
DEFAULT_AGING = timedelta(minutes=15)


def level(priority: int, waited: timedelta, aging: timedelta) -> int:
    """The level of a job: its priority, less one for each aging interval it has waited.

    Args:
        priority: 1 (critical) to 4 (low).
        waited: since it became due; where that is to come, negative.
        aging: how long a job waits until it rises by one level.

    Returns:
        1 to 4, lower first.
    """
    risen = max(waited, timedelta(0)) // aging
    return max(MOST_URGENT, priority - risen)


def reaches(priority: int, due: datetime, wanted: int, aging: timedelta) -> datetime:
    """When a job that falls due at ``due`` is on the level ``wanted``, or above it."""
    return due + max(0, priority - wanted) * aging
