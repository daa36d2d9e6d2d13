"""The status of a batch, from the counts of its jobs. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum


class BatchStatus(StrEnum):
    """The status of a batch."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    PARTIALLY_FAILED = "partially_failed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCounts:
    """The number of jobs of a batch in each status.

    Attributes:
        cancelled: the cancelled jobs, without the superseded ones.
        superseded: the jobs that were withdrawn, because a later job does their work.
    """

    pending: int = 0
    running: int = 0
    paused: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    expired: int = 0
    superseded: int = 0

    @property
    def total(self) -> int:
        """The number of all jobs."""
        return self.unfinished + self.ended

    @property
    def unfinished(self) -> int:
        """The number of jobs that are not over."""
        return self.pending + self.running + self.paused

    @property
    def ended(self) -> int:
        """The number of jobs that are over, however they ended."""
        return self.completed + self.failed + self.cancelled + self.expired + self.superseded

    def as_json(self) -> dict[str, int]:
        """Return the counts, with their total, as they are stored and shown."""
        return {"total": self.total, **asdict(self)}

    @classmethod
    def from_json(cls, stored: Mapping[str, int]) -> "BatchCounts":
        """Return the counts of which :meth:`as_json` made this object."""
        return cls(**{name: number for name, number in stored.items() if name != "total"})


def batch_status(counts: BatchCounts, *, cancel_requested: bool) -> BatchStatus:
    """Return the status of a batch.

    A superseded job counts neither for nor against the batch, because another job does its work. A
    cancellation that came too late to end any job changes nothing.
    """
    if counts.unfinished:
        # A batch whose first job has ended is running, even if the next one has not started.
        begun = counts.running or counts.ended
        return BatchStatus.RUNNING if begun else BatchStatus.PENDING
    if cancel_requested and counts.cancelled:
        return BatchStatus.CANCELLED
    badly = counts.failed + counts.expired
    if counts.completed:
        return BatchStatus.PARTIALLY_FAILED if badly + counts.cancelled else BatchStatus.COMPLETED
    # Here nothing completed. If nothing failed either, all jobs were cancelled or superseded.
    return BatchStatus.FAILED if badly else BatchStatus.CANCELLED
