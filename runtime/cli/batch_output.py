"""Prints batches for a person or a program."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import TaskID

from runtime.cli.moments import local_time
from runtime.cli.output import print_fields, print_json, print_table
from runtime.cli.progress import add_bar, job_bars
from runtime.jobs.batch_service import Batch, batch_view
from runtime.runs.batch_status import BatchCounts

_COUNTED = ("completed", "failed", "expired", "cancelled", "superseded", "running", "paused",
            "pending")  # fmt: skip


def print_batch(batch: Batch, as_json: bool) -> None:
    """Print one batch."""
    view = batch_view(batch)
    if as_json:
        print_json(view)
        return
    print_fields(
        [
            ("id", batch.id),
            ("marketplace", batch.marketplace),
            ("action", batch.action),
            ("status", _status(batch)),
            ("jobs", batch.counts.total),
            ("of these", counts_text(batch.counts)),
            ("progress", f"{view['progress_percent']:g} %"),
            ("priority", batch.priority),
            ("user", batch.created_by_user_id),
            ("created", local_time(view["created_at"])),
            ("completed", local_time(view["completed_at"])),
        ]
    )


def print_batches(batches: Sequence[Batch], as_json: bool) -> None:
    """Print many batches."""
    if as_json:
        print_json([batch_view(batch) for batch in batches])
        return
    print_table(
        ("id", "marketplace", "action", "user", "status", "jobs", "of these", "created"),
        [
            (
                batch.id,
                batch.marketplace,
                batch.action,
                batch.created_by_user_id,
                _status(batch),
                batch.counts.total,
                counts_text(batch.counts),
                local_time(batch.created_at.isoformat()),
            )
            for batch in batches
        ],
    )


def counts_text(counts: BatchCounts) -> str:
    """Return the counts that are not zero, in words."""
    numbers = counts.as_json()
    return ", ".join(f"{numbers[name]} {name}" for name in _COUNTED if numbers[name])


@contextmanager
def waiting_bar() -> Iterator[Callable[[Batch], None] | None]:
    """Show a bar for a batch that is waited for; None if nobody would see it."""
    bars = job_bars(errors=True)
    # A bar in a file or a pipe would be a heap of control codes.
    if not bars.console.is_terminal:
        yield None
        return
    with bars:
        bar: TaskID | None = None

        def look(batch: Batch) -> None:
            nonlocal bar
            bar = add_bar(bars, f"batch {batch.id}") if bar is None else bar
            counts = batch.counts
            state = f"{counts.ended} of {counts.total}: {counts_text(counts)}"
            bars.update(bar, total=counts.total, completed=counts.ended, state=state)

        yield look


def _status(batch: Batch) -> str:
    asked = batch.cancel_requested and not batch.over
    return f"{batch.status.value}, cancellation requested" if asked else batch.status.value
