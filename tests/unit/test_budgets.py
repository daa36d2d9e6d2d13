"""Budgets: calls are kept apart."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from runtime.budgets import Pacer

NOW = datetime(2026, 1, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_the_first_release_may_happen_at_once() -> None:
    assert Pacer().free_at(NOW) == NOW


def test_the_next_release_waits_for_the_interval_and_not_longer() -> None:
    pacer = Pacer()
    pacer.release(NOW, 2 * SECOND)
    assert pacer.free_at(NOW) == NOW + 2 * SECOND
    assert pacer.free_at(NOW + SECOND) == NOW + 2 * SECOND
    assert pacer.free_at(NOW + 5 * SECOND) == NOW + 5 * SECOND


def test_time_that_nobody_used_is_not_saved_up_for_a_burst() -> None:
    pacer = Pacer()
    pacer.release(NOW, SECOND)
    later = NOW + 100 * SECOND
    pacer.release(later, SECOND)
    assert pacer.free_at(later) == later + SECOND


@given(
    wishes=st.lists(
        st.tuples(st.integers(0, 10_000).map(lambda ms: timedelta(milliseconds=ms)),
                  st.integers(0, 5_000).map(lambda ms: timedelta(milliseconds=ms)))
    )
)  # fmt: skip
def test_two_releases_are_never_closer_than_the_interval(
    wishes: list[tuple[timedelta, timedelta]],
) -> None:
    pacer, now = Pacer(), NOW
    released: list[tuple[datetime, timedelta]] = []
    for pause, interval in wishes:
        now = pacer.free_at(now + pause)
        pacer.release(now, interval)
        released.append((now, interval))
    for (earlier, interval), (later, _) in pairwise(released):
        assert later - earlier >= interval
