"""Prints the summary of the demo: the jobs, and the promises compared with the counts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from runtime.cli.output import print_error, print_line, print_table
from runtime.errors.program import PROGRAM
from runtime.runs.job_states import JobStatus
from runtime.storage.models import MarketplaceJob

_COUNTS = ("imported", "updated", "gone", "new", "sales", "jobs", "errors")
_NEXT = f"""
try next
  {PROGRAM} demo --sellers 20 --items 2000   more of it
  {PROGRAM} demo --keep-running              look around while it is up
  {PROGRAM} serve                            the service itself; README.md tells the rest"""


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job that is over, or does not change any more.

    Attributes:
        note: its result, or the reason why it is not over.
    """

    id: int
    seller: int
    does: str
    status: str
    note: str | None
    seconds: float | None

    @classmethod
    def of(cls, job: MarketplaceJob, code: str) -> Self:
        """Return the job as the database has it."""
        seconds = None
        if job.started_at is not None and job.completed_at is not None:
            seconds = (job.completed_at - job.started_at).total_seconds()
        # The error comes first, because it is the reason why a person looks at the row.
        note = job.error_message or job.waiting_reason or _note(code, job.result_data)
        return cls(job.id, job.user_id, f"{job.marketplace} {code}", job.status, note, seconds)


@dataclass(frozen=True, slots=True)
class Promise:
    """An expected number, and the number that was counted.

    Attributes:
        where: the place of the count: a marketplace, or the database here.
    """

    what: str
    where: str
    expected: int
    found: int

    @property
    def is_kept(self) -> bool:
        """Whether the numbers are equal."""
        return self.expected == self.found

    def __str__(self) -> str:
        """Show the number, and the expected one where it differs."""
        return f"{self.found}" if self.is_kept else f"{self.found}, not {self.expected}"


def print_summary(jobs: Sequence[JobRow], promises: Sequence[Promise], seconds: float) -> bool:
    """Print the summary; returns whether every job completed and every promise was kept."""
    print_line("")
    print_table(
        ("job", "seller", "does", "status", "outcome", "seconds"),
        [
            (one.id, one.seller, one.does, one.status, one.note, _tenths(one.seconds))
            for one in jobs
        ],
    )
    print_line("")
    _print_promises(promises)
    completed = sum(one.status == JobStatus.COMPLETED for one in jobs)
    print_line(f"\n{completed} of {len(jobs)} jobs completed in {seconds:.1f} s")
    # Completed jobs alone prove nothing: a job that published twice has completed, too.
    broken = [one for one in promises if not one.is_kept]
    if broken or completed < len(jobs):
        told = [f"{one.what} ({one.where}): {one}" for one in broken]
        told += [
            f"job {one.id} is {one.status}" for one in jobs if one.status != JobStatus.COMPLETED
        ]
        print_error(f"not everything happened exactly once: {'; '.join(told)}")
        return False
    print_line(
        "everything happened exactly once, although every publication's answer was lost\n" + _NEXT
    )
    return True


def _print_promises(promises: Sequence[Promise]) -> None:
    """Print one row for each number, with a column for each place where it was counted."""
    places = list(dict.fromkeys(one.where for one in promises))
    found = {(one.what, one.where): one for one in promises}
    print_table(
        ("counted in the end", *places),
        [
            (what, *(found.get((what, where), "") for where in places))
            for what in dict.fromkeys(one.what for one in promises)
        ],
    )


def _note(code: str, result: Any) -> str | None:
    if not isinstance(result, dict):
        return None
    if code == "publish":
        return f"listing {result.get('external_id')}"
    if code == "delete":
        return "off sale"
    return ", ".join(_counted(result)) or None


def _counted(result: dict[str, Any]) -> Iterator[str]:
    for name in _COUNTS:
        value = result.get(name)
        # Some handlers list ids where others count.
        number = len(value) if isinstance(value, list) else value
        if number:
            yield f"{name} {number}"


def _tenths(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:.1f}"
