"""The urgency of a waiting job, from its priority and the time that it has waited. Pure.

Without aging, a stream of critical jobs could keep all others waiting for ever. The SQL of a claim
computes the same urgency (``URGENCY`` in ``runtime/storage/queue/lane_order.py``).
"""

from datetime import datetime, timedelta

MOST_URGENT, LEAST_URGENT = 1, 4
DEFAULT_AGING = timedelta(minutes=15)


def urgency(priority: int, waited: timedelta, aging: timedelta) -> int:
    """Return the urgency of a job: its priority, less one for each aging interval it has waited.

    Args:
        priority: 1 (critical) to 4 (low).
        waited: the time since the job became due; negative if it falls due later.
        aging: the time that a job waits until its urgency rises by one.

    Returns:
        1 (the most urgent) to 4.
    """
    # A job that falls due later has not waited, and rises by nothing.
    risen = max(waited, timedelta(0)) // aging
    return max(MOST_URGENT, priority - risen)


def reaches(priority: int, due: datetime, wanted: int, aging: timedelta) -> datetime:
    """Return when a job that falls due at ``due`` is as urgent as ``wanted``, or more."""
    return due + max(0, priority - wanted) * aging
