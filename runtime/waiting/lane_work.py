"""The knowledge about the waiting jobs of one lane, from hints and answers of claims. Pure."""

from collections.abc import Iterable
from datetime import datetime

from runtime.waiting.urgency import LEAST_URGENT


class LaneWork:
    """Knows when the first job of each priority falls due.

    The known time may be too early, which costs a claim in vain, but it is never too late, because
    a job would then wait without a reason. An answer tells what the database held when the claim
    looked. Hints since then are newer, so they are kept beside it.

    Attributes:
        heads: the time of the first job by its priority; empty if nothing waits.
        rests_until: the time before which the lane is not asked for jobs, or None.
    """

    __slots__ = ("_blocked", "_news", "_unblocked", "heads", "rests_until")

    def __init__(self) -> None:
        self.heads: dict[int, datetime] = {}
        self.rests_until: datetime | None = None
        self._blocked: dict[int, datetime] = {}
        self._news: dict[int, datetime] = {}
        self._unblocked = False

    def hint(self, priority: int | None, due: datetime) -> None:
        """Note that there may be a job of that priority; None: something may have changed."""
        if priority is None:
            # Nobody knows which change it was: the job that blocked another job may be over.
            self.unblock()
            priority = LEAST_URGENT
        self.rests_until = None
        for known in (self.heads, self._news):
            _sooner(known, [(priority, due)])

    def unblock(self) -> None:
        """Note that jobs which waited for another job of their product may go on."""
        self._unblocked = True
        self.rests_until = None
        _sooner(self.heads, self._blocked.items())

    def asked(self) -> None:
        """Note that a claim is sent, which will see all that is known by now."""
        # Hints that come from now on may be of jobs that the claim does not see.
        self._news.clear()
        self._unblocked = False

    def answered(
        self,
        heads: dict[int, datetime],
        blocked: dict[int, datetime],
        rests_until: datetime | None = None,
    ) -> None:
        """Take over the jobs that the claim left.

        Args:
            heads: the times of the first jobs that can be claimed, now or later.
            blocked: the times of due jobs that wait for another job of their product.
            rests_until: the time of the next claim, if due jobs could not be claimed. It does not
                count if there was news since the claim was sent.
        """
        if not self._news and not self._unblocked:
            self.rests_until = rests_until
        self.heads, self._blocked = dict(heads), dict(blocked)
        _sooner(self.heads, self._news.items())
        if self._unblocked:
            _sooner(self.heads, self._blocked.items())

    def wakes_at(self) -> datetime | None:
        """Return the time when there is a job to claim, or None if only a hint can tell."""
        if not self.heads:
            return None
        due = min(self.heads.values())
        return due if self.rests_until is None else max(due, self.rests_until)


def _sooner(known: dict[int, datetime], heard: Iterable[tuple[int, datetime]]) -> None:
    for priority, due in heard:
        if priority not in known or due < known[priority]:
            known[priority] = due
