"""What a person sees of the demo: bars or lines while it runs, then a table."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from runtime.awaiting import LONGEST_PAUSE
from runtime.cli.job_output import progress_text
from runtime.cli.output import print_line, print_table
from runtime.cli.progress import add_bar, job_bars, show
from runtime.states import FINAL, JobStatus
from runtime.storage.engine import Database, database_errors
from runtime.storage.jobs import jobs_by_ids
from runtime.storage.models import MarketplaceJob

STALLED_SECONDS = 60.0
"""Without any change for so long, the demo gives up."""

_COUNTS = ("imported", "updated", "gone")


def watch(database: Database, job_ids: Sequence[int]) -> bool:
    """Show the jobs until all are over; returns whether all completed."""
    started = time.monotonic()
    bars = job_bars(errors=False)
    if bars.console.is_terminal:
        with bars:
            tasks = {job_id: add_bar(bars, f"job {job_id}") for job_id in job_ids}

            def show_changes(changed: list[MarketplaceJob]) -> None:
                for job in changed:
                    show(bars, tasks[job.id], job)

            jobs = _follow(database, job_ids, show_changes)
    else:
        jobs = _follow(database, job_ids, _print_changes)
    _print_outcome(jobs, time.monotonic() - started)
    return all(job.status == JobStatus.COMPLETED for job in jobs)


def _follow(
    database: Database, job_ids: Sequence[int], look: Callable[[list[MarketplaceJob]], None]
) -> list[MarketplaceJob]:
    """Read the jobs until all are over, or nothing happens any more."""
    before: dict[int, tuple[Any, ...]] = {}
    changed_at = time.monotonic()
    while True:
        with database_errors(), database.session() as session:
            jobs = jobs_by_ids(session, job_ids)
        states = {job.id: (job.status, job.progress) for job in jobs}
        look([job for job in jobs if states[job.id] != before.get(job.id)])
        if states != before:
            before, changed_at = states, time.monotonic()
        stalled = time.monotonic() - changed_at > STALLED_SECONDS
        if stalled or all(job.status in FINAL for job in jobs):
            return jobs
        time.sleep(LONGEST_PAUSE / 2)


def _print_changes(jobs: Sequence[MarketplaceJob]) -> None:
    for job in jobs:
        print_line(f"job {job.id} of seller {job.user_id}: {job.status} {_far(job)}".rstrip())


def _far(job: MarketplaceJob) -> str:
    return progress_text(job.progress) if job.status == JobStatus.RUNNING else ""


def _print_outcome(jobs: Sequence[MarketplaceJob], seconds: float) -> None:
    print_table(
        ("job", "seller", "status", *_COUNTS, "seconds"),
        [
            (
                job.id,
                job.user_id,
                job.status,
                *(_count(job, name) for name in _COUNTS),
                _seconds(job),
            )
            for job in jobs
        ],
    )
    for job in jobs:
        if job.status != JobStatus.COMPLETED:
            print_line(f"job {job.id}: {job.error_message or job.waiting_reason or job.status}")
    completed = sum(job.status == JobStatus.COMPLETED for job in jobs)
    counts = ", ".join(f"{sum(_count(job, name) or 0 for job in jobs)} {name}" for name in _COUNTS)
    print_line(f"{completed} of {len(jobs)} jobs completed in {seconds:.1f} s: {counts}")


def _count(job: MarketplaceJob, name: str) -> int | None:
    result = job.result_data
    return result.get(name) if isinstance(result, dict) else None


def _seconds(job: MarketplaceJob) -> str | None:
    if job.started_at is None or job.completed_at is None:
        return None
    return f"{(job.completed_at - job.started_at).total_seconds():.1f}"
