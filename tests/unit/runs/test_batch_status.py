"""How a batch stands follows from the counts of its jobs alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.runs.batch_status import BatchCounts, BatchStatus, batch_status
from runtime.runs.job_states import JobStatus

OVER = {
    BatchStatus.COMPLETED,
    BatchStatus.PARTIALLY_FAILED,
    BatchStatus.FAILED,
    BatchStatus.CANCELLED,
}
NAMES = ("pending", "running", "paused", "completed", "failed", "cancelled", "expired",
         "superseded")  # fmt: skip

counts_of = st.builds(BatchCounts, **dict.fromkeys(NAMES, st.integers(0, 3)))


@pytest.mark.parametrize(
    ("counts", "cancel_requested", "status"),
    [
        ({"pending": 2}, False, "pending"),
        ({"paused": 2}, False, "pending"),
        ({"pending": 1, "running": 1}, False, "running"),
        ({"pending": 1, "completed": 1}, False, "running"),
        ({"completed": 2}, False, "completed"),
        ({"completed": 1, "superseded": 1}, False, "completed"),
        ({"completed": 1, "failed": 1}, False, "partially_failed"),
        ({"completed": 1, "expired": 1}, False, "partially_failed"),
        ({"completed": 1, "cancelled": 1}, False, "partially_failed"),
        ({"completed": 1, "cancelled": 1}, True, "cancelled"),
        ({"completed": 2}, True, "completed"),
        ({"failed": 2}, True, "failed"),
        ({"failed": 1, "cancelled": 1}, False, "failed"),
        ({"expired": 2}, False, "failed"),
        ({"cancelled": 2}, False, "cancelled"),
        ({"superseded": 2}, False, "cancelled"),
    ],
)
def test_the_table(counts: dict[str, int], cancel_requested: bool, status: str) -> None:
    assert batch_status(BatchCounts(**counts), cancel_requested=cancel_requested) == status


@given(counts_of, st.booleans())
def test_a_batch_is_over_exactly_when_no_job_is_left(
    counts: BatchCounts, cancel_requested: bool
) -> None:
    status = batch_status(counts, cancel_requested=cancel_requested)
    assert (status in OVER) == (counts.unfinished == 0)
    if status is BatchStatus.COMPLETED:
        assert counts.completed
        assert counts.completed + counts.superseded == counts.total


@given(counts_of)
def test_counts_come_back_from_what_is_stored(counts: BatchCounts) -> None:
    stored = counts.as_json()
    assert BatchCounts.from_json(stored) == counts
    assert stored["total"] == sum(stored[name] for name in NAMES)


def test_every_status_of_a_job_is_counted() -> None:
    assert {status.value for status in JobStatus} | {"superseded"} == set(NAMES)
