"""The lease of a node: the time until which it may send writes.

Other nodes take a node for dead if it has confirmed no heartbeat for 30 s, and take its jobs over.
So a node whose last confirmed heartbeat is 15 s old sends no write that another could repeat.
"""

from datetime import datetime, timedelta

from runtime.process.stalls import Stalls

DEAD_AFTER = timedelta(seconds=30)
DEAD_WITHOUT_LOCK_AFTER = timedelta(seconds=2)
DEAD_AFTER_SERVER_START = timedelta(seconds=10)
"""Right after the server's start no node holds its lock yet, so a missing lock says nothing."""
LASTS = DEAD_AFTER / 2
JUDGES_AFTER = timedelta(seconds=10)
"""A node whose own heartbeats were interrupted takes nobody for dead for this time: what cut it off
may have cut off the others, who need the time to confirm theirs."""


class Lease:
    """The lease is renewed with every confirmed heartbeat; any thread may read it.

    Attributes:
        stalls: which jobs kept the thread of the heartbeat from its turn.
    """

    def __init__(self, now: datetime) -> None:
        self.until = now
        self._renewed = False
        self.stalls = Stalls()

    def leaves_within(self, now: datetime) -> timedelta:
        """Return how long a write may still leave; zero means that none may."""
        # Never negative: a node whose lease has expired sends nothing, and asks again.
        return max(self.until - now, timedelta(0))

    def renew(self, asked_at: datetime) -> None:
        """Extend the lease, because a heartbeat that was sent at that time is confirmed."""
        # It counts from the sending: the answer may have taken long, and others count from the row.
        until = asked_at + LASTS
        # The first time was read before the clock was compared with the database's, so that it
        # may lie hours ahead of all others.
        self.until = max(self.until, until) if self._renewed else until
        self._renewed = True
