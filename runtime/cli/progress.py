"""Shows progress bars on standard error if that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from runtime.cli.job_output import progress_text
from runtime.cli.output import console, printable
from runtime.jobs.completion import Look
from runtime.storage.models import MarketplaceJob


def job_bars(*, errors: bool, passing: bool = False) -> Progress:
    """Make bars that each show a job; :func:`show` updates them.

    Args:
        passing: whether the bars vanish in the end.
    """
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[state]}", markup=False),
        TimeElapsedColumn(),
        console=console(errors=errors),
        transient=passing,
    )


def add_bar(bars: Progress, description: str) -> TaskID:
    """Show a bar for one job."""
    return bars.add_task(printable(description), total=None, state="")


def show(bars: Progress, bar: TaskID, job: MarketplaceJob) -> None:
    """Update a bar with the state of its job."""
    progress = job.progress or {}
    state = f"{job.status} {progress_text(job.progress)}".strip()
    bars.update(
        bar,
        total=progress.get("total"),
        completed=progress.get("current", 0),
        state=printable(state),
    )


@contextmanager
def waiting_bar() -> Iterator[Look | None]:
    """Show a bar for a job that is waited for; None if nobody would see it."""
    bars = job_bars(errors=True)
    if not bars.console.is_terminal:
        yield None
        return
    with bars:
        bar: TaskID | None = None

        def look(job: MarketplaceJob) -> None:
            nonlocal bar
            bar = add_bar(bars, f"job {job.id}") if bar is None else bar
            show(bars, bar, job)

        yield look


@contextmanager
def reading_bar(description: str, size: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar for a file of so many bytes; yields a function that is told of each part read."""
    bars = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
        console=console(errors=True),
        disable=not sys.stderr.isatty(),
    )
    with bars:
        bar = bars.add_task(printable(description), total=size)
        yield partial(bars.advance, bar)


@contextmanager
def row_bar(description: str) -> Iterator[tuple[Callable[[int], None], Callable[[int], None]]]:
    """Show a bar for rows; yields a function that is told the total, and of each part."""
    bars = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console(errors=True),
        disable=not sys.stderr.isatty(),
    )
    with bars:
        bar = bars.add_task(printable(description), total=None)
        yield lambda total: bars.update(bar, total=total), partial(bars.advance, bar)
