"""A progress bar on standard error, where that is a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from runtime.awaiting import Look
from runtime.cli.job_output import progress_text
from runtime.cli.output import console, printable
from runtime.storage.models import MarketplaceJob


def job_bars(*, errors: bool) -> Progress:
    """Bars of which each shows a job, to be kept up to date by :func:`show`."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[state]}", markup=False),
        TimeElapsedColumn(),
        console=console(errors=errors),
    )


def add_bar(bars: Progress, description: str) -> TaskID:
    """A bar for one job."""
    return bars.add_task(printable(description), total=None, state="")


def show(bars: Progress, bar: TaskID, job: MarketplaceJob) -> None:
    """Bring a bar up to date."""
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
    """A bar for a job that is waited for; None where nobody would see it."""
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
