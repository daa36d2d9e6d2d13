"""Rate limits: pure arithmetic over a clock."""

from datetime import datetime, timedelta


class Pacer:
    """Keeps a least time between two releases."""

    __slots__ = ("_free_at",)

    def __init__(self) -> None:
        self._free_at: datetime | None = None

    def free_at(self, now: datetime) -> datetime:
        """When the next release may happen; ``now`` where it may at once."""
        return now if self._free_at is None else max(now, self._free_at)

    def release(self, now: datetime, interval: timedelta) -> None:
        """Count a release: the next one comes at least ``interval`` later."""
        self._free_at = now + interval
