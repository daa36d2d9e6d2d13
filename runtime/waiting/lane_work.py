"""What is known of the waiting jobs of one lane, from hints and from answers of claims. Pure."""

from collections.abc import Iterable
from datetime import datetime

from runtime.waiting.urgency import LEAST_URGENT


class LaneWork:
    """When the first job of each priority falls due; never later than it does.

    An answer tells what the database held when the claim looked. What was heard since then
    is newer, and is kept.

    Attributes:
        heads: by priority; empty where nothing waits.
        rests_until: not asked for before this time.
    """

    __slots__ = ("_blocked", "_news", "_unblocked", "heads", "rests_until")

    def __init__(self) -> None:
        self.heads: dict[int, datetime] = {}
        self.rests_until: datetime | None = None
        self._blocked: dict[int, datetime] = {}
        self._news: dict[int, datetime] = {}
        self._unblocked = False

    def hint(self, priority: int | None, due: datetime) -> None:
        """There may be a job of that priority; of None, something may have changed."""
        if priority is None:
            self.unblock()
            priority = LEAST_URGENT
        self.rests_until = None
        for known in (self.heads, self._news):
            _sooner(known, [(priority, due)])

    def unblock(self) -> None:
        """Jobs that waited for another one of their product may go on."""
        self._unblocked = True
        self.rests_until = None
        _sooner(self.heads, self._blocked.items())

    def asked(self) -> None:
        """A claim is sent, and will see all that is known by now."""
        self._news.clear()
        self._unblocked = False

    def answered(
        self,
        heads: dict[int, datetime],
        blocked: dict[int, datetime],
        rests_until: datetime | None = None,
    ) -> None:
        """What the claim left.

        Args:
            heads: of jobs that can be claimed, now or later.
            blocked: of jobs that are due and wait for another one of their product.
            rests_until: when to look again for what is due and could not be claimed; at once
                where something was heard since.
        """
        if not self._news and not self._unblocked:
            self.rests_until = rests_until
        self.heads, self._blocked = dict(heads), dict(blocked)
        _sooner(self.heads, self._news.items())
        if self._unblocked:
            _sooner(self.heads, self._blocked.items())

    def wakes_at(self) -> datetime | None:
        """When there is something to claim; None: when somebody says so."""
        if not self.heads:
            return None
        due = min(self.heads.values())
        return due if self.rests_until is None else max(due, self.rests_until)


def _sooner(known: dict[int, datetime], heard: Iterable[tuple[int, datetime]]) -> None:
    for priority, due in heard:
        if priority not in known or due < known[priority]:
            known[priority] = due
