"""Urgency: a job that waits rises by one for each aging interval, and never sinks."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.waiting.urgency import reaches, urgency

AGING = timedelta(minutes=15)
MOMENT = timedelta(microseconds=1)
NOW = datetime(2026, 1, 9, tzinfo=UTC)
PRIORITIES = st.integers(1, 4)


@pytest.mark.parametrize(
    ("priority", "waited", "expected"),
    [
        (4, timedelta(0), 4),
        (4, AGING - MOMENT, 4),
        (4, AGING, 3),
        (4, 2 * AGING, 2),
        (4, 3 * AGING, 1),
        (4, timedelta(days=400), 1),
        (1, 5 * AGING, 1),
        (3, -timedelta(hours=1), 3),
    ],
)
def test_a_job_rises_by_one_for_each_aging_interval(
    priority: int, waited: timedelta, expected: int
) -> None:
    assert urgency(priority, waited, AGING) == expected


@given(PRIORITIES, st.timedeltas(timedelta(0), timedelta(hours=2)), st.integers(1, 4))
def test_when_an_urgency_is_reached_is_what_the_urgency_says(
    priority: int, waited: timedelta, wanted: int
) -> None:
    due = NOW - waited
    assert (urgency(priority, waited, AGING) <= wanted) == (
        reaches(priority, due, wanted, AGING) <= NOW
    )
