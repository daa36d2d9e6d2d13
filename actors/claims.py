"""Asks the supervisor for jobs of one marketplace, one claim at a time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from actors.base import BaseActor
from actors.lanes import Lanes
from runtime import messages
from runtime.messages import RunningJob

CLAIM_LOST_AFTER = timedelta(seconds=10)


@dataclass(slots=True)
class PendingClaim:
    """A claim that was asked for and not answered."""

    sequence: int
    sent_at: datetime
    limit: int


class Claims:
    """The claims of one marketplace.

    Args:
        actor: the marketplace actor, which gets the answers.
        marketplace: its name.

    Attributes:
        pending: the claim that is under way.
    """

    def __init__(self, actor: BaseActor, marketplace: str, lanes: Lanes) -> None:
        self._actor = actor
        self._marketplace = marketplace
        self._lanes = lanes
        self._sequence = 0
        self._strays: set[tuple[int, int]] = set()
        self.pending: PendingClaim | None = None

    def ask(self) -> None:
        """Ask for jobs of the lanes that have work and room, unless a claim is under way."""
        now = self._actor.clock.now()
        if self.pending is not None and now - self.pending.sent_at < CLAIM_LOST_AFTER:
            return
        requests, limit = self._lanes.next_requests()
        if not requests:
            return
        self._sequence += 1
        self.pending = PendingClaim(self._sequence, now, limit)
        self._actor.tell(
            messages.SUPERVISOR,
            messages.ClaimRequested(self._marketplace, self._sequence, requests, limit),
        )

    def answered(self, sequence: int) -> PendingClaim | None:
        """The claim that was answered; None where it was given up before."""
        claim = self.pending
        if claim is None or claim.sequence != sequence:
            return None
        self.pending = None
        return claim

    def forgotten(self) -> None:
        """The supervisor began anew, and knows of no claim."""
        self.pending = None

    def strays(
        self, jobs: Iterable[RunningJob], known: set[tuple[int, int]]
    ) -> set[tuple[int, int]]:
        """The (job, fence) of jobs that were claimed for this node and never came.

        Jobs may be on their way here, or their endings to the database, so only those that are
        missed twice in a row count.

        Args:
            jobs: what the database says is running here.
            known: the (job, fence) of what is.
        """
        missed = {(job.job_id, job.fence) for job in jobs} - known
        former, self._strays = self._strays, missed
        return missed & former
