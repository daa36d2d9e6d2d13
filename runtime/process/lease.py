"""The time until which this node may send writes.

Others take a node for dead when it has confirmed no heartbeat for 30 s, and take its jobs over.
So a node that has not confirmed one for half of that sends nothing that could be done twice.
"""

from datetime import datetime, timedelta

DEAD_AFTER = timedelta(seconds=30)
DEAD_WITHOUT_LOCK_AFTER = timedelta(seconds=2)
DEAD_AFTER_SERVER_START = timedelta(seconds=10)
"""Just after the server started nobody holds a lock yet, so its absence says nothing then."""
LASTS = DEAD_AFTER / 2


class Lease:
    """Renewed with every confirmed heartbeat; may be read from any thread."""

    def __init__(self, now: datetime) -> None:
        self.until = now

    def leaves_within(self, now: datetime) -> timedelta:
        """Return how long a write may still leave; zero means that none may."""
        # Not negative, so that a node whose lease ran out sends nothing but looks again.
        return max(self.until - now, timedelta(0))

    def renew(self, asked_at: datetime) -> None:
        """Extend the lease, because a heartbeat that was sent at that time is confirmed."""
        self.until = max(self.until, asked_at + LASTS)
