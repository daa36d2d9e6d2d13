"""The lease: a node that has confirmed no heartbeat for half the time to its death is silent."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from runtime.process.lease import DEAD_AFTER, LASTS, Lease

NOW = datetime(2026, 1, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_before_the_first_heartbeat_nothing_may_be_sent() -> None:
    assert Lease(NOW).until == NOW


def test_it_counts_from_when_the_heartbeat_was_sent_not_from_its_confirmation() -> None:
    lease = Lease(NOW)
    lease.renew(NOW + 3 * SECOND)
    assert lease.until == NOW + 3 * SECOND + LASTS


def test_it_ends_at_half_of_the_time_after_which_others_take_over() -> None:
    assert LASTS == DEAD_AFTER / 2 == 15 * SECOND


@given(st.lists(st.integers(0, 100), min_size=1))
def test_a_heartbeat_that_is_confirmed_late_shortens_nothing(sent_at: list[int]) -> None:
    lease = Lease(NOW)
    for second in sent_at:
        lease.renew(NOW + second * SECOND)
    assert lease.until == NOW + max(sent_at) * SECOND + LASTS


def test_a_first_time_of_a_clock_that_was_ahead_does_not_lengthen_the_lease() -> None:
    lease = Lease(NOW + 7_200 * SECOND)
    lease.renew(NOW)
    assert lease.until == NOW + LASTS
