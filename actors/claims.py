"""Asks the supervisor for the jobs of one marketplace, one claim at a time.

A second claim beside the first would be made for places that the first is about to fill.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from actors.base_actor import BaseActor
from actors.lanes import Lanes
from runtime import messages
from runtime.messages import RunningJob

CLAIM_LOST_AFTER = timedelta(seconds=10)
"""Messages are hints and may be lost with the actor that had them. A claim that was not answered in
this time is given up, or the marketplace would never ask for jobs again."""


@dataclass(slots=True)
class PendingClaim:
    """A claim that was asked for and has not been answered."""

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
        # The jobs that were missed at the last comparison.
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
        """Return the claim that was answered, or None if it was given up before."""
        claim = self.pending
        if claim is None or claim.sequence != sequence:
            return None
        self.pending = None
        return claim

    def forgotten(self) -> None:
        """Give the pending claim up, because the supervisor began anew and knows of no claim."""
        self.pending = None

    def strays(
        self, jobs: Iterable[RunningJob], known: set[tuple[int, int]]
    ) -> set[tuple[int, int]]:
        """Return the (job, fence) of jobs that were claimed for this node and never came.

        A job may be on its way here, or its ending on the way to the database, so only jobs that
        are missed twice in a row count.

        Args:
            jobs: the jobs that run here according to the database.
            known: the (job, fence) of the jobs that do run here.
        """
        missed = {(job.job_id, job.fence) for job in jobs} - known
        former, self._strays = self._strays, missed
        return missed & former
