"""Follows the jobs of the demo: bars on a terminal, lines elsewhere."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from runtime.cli.job_output import progress_text
from runtime.cli.output import print_line
from runtime.cli.progress import add_bar, job_bars, show
from runtime.cli.stop_signals import StopSignals
from runtime.jobs.completion import LONGEST_PAUSE
from runtime.runs.job_states import FINAL, JobStatus
from runtime.storage.models import MarketplaceJob
from runtime.storage.queue.job_rows import jobs_by_ids
from runtime.storage.server.engine import Database, database_errors

STALLED_SECONDS = 60.0
"""A scene is over if no job changes for so long."""


class Watch:
    """Shows jobs to a person.

    Args:
        stop: the signals by which the person ends the demo.
    """

    def __init__(self, database: Database, stop: StopSignals) -> None:
        self._database = database
        self._stop = stop

    def follow(self, job_ids: Sequence[int]) -> None:
        """Show the jobs until all are over, or none changes any more.

        Raises:
            KeyboardInterrupt: the demo was told to stop.
        """
        bars = job_bars(errors=False, passing=True)
        with ExitStack() as stack:
            # Without a terminal, lines tell each change once.
            if not bars.console.is_terminal:
                self._until_over(job_ids, _print_changes)
                return
            stack.enter_context(bars)
            tasks: dict[int, Any] = {}

            def show_changes(changed: Sequence[MarketplaceJob]) -> None:
                for job in changed:
                    if job.id not in tasks:
                        tasks[job.id] = add_bar(bars, _name(job))
                    show(bars, tasks[job.id], job)

            self._until_over(job_ids, show_changes)

    def _until_over(self, job_ids: Sequence[int], look: Any) -> None:
        before: dict[int, tuple[Any, ...]] = {}
        changed_at = time.monotonic()
        while True:
            # The signal is noted and not raised, because it would otherwise interrupt a
            # transaction.
            if self._stop.asked:
                raise KeyboardInterrupt
            with database_errors(), self._database.session() as session:
                jobs = jobs_by_ids(session, job_ids)
            states = {job.id: (job.status, job.progress) for job in jobs}
            look([job for job in jobs if states[job.id] != before.get(job.id)])
            if states != before:
                before, changed_at = states, time.monotonic()
            stalled = time.monotonic() - changed_at > STALLED_SECONDS
            if stalled or all(job.status in FINAL for job in jobs):
                return
            time.sleep(LONGEST_PAUSE / 5)


def _print_changes(jobs: Sequence[MarketplaceJob]) -> None:
    for job in jobs:
        # That a job waits for its turn is no news.
        if job.status == JobStatus.PENDING and job.waiting_reason is None:
            continue
        far = progress_text(job.progress) if job.status == JobStatus.RUNNING else ""
        print_line(f"{_name(job)}: {job.status} {far}".rstrip())


def _name(job: MarketplaceJob) -> str:
    return f"job {job.id} of seller {job.user_id} on {job.marketplace}"
