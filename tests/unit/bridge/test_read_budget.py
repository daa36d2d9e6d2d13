"""How fast the bridge reads from one connection."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from runtime.bridge.read_budget import PIECE_BYTES, Allowance, ReadBudget

SMALL = Allowance(burst=2_000, per_second=1_000)


def test_a_burst_goes_through_at_once() -> None:
    budget = ReadBudget(SMALL, now=0.0)
    budget.spend(2_000 - PIECE_BYTES, now=0.0)
    assert budget.wait() == timedelta(0)


def test_whoever_has_used_the_burst_up_waits_until_it_has_grown_again() -> None:
    budget = ReadBudget(SMALL, now=0.0)
    budget.spend(3_000 - PIECE_BYTES, now=0.0)
    assert budget.wait() == timedelta(seconds=1)
    budget.spend(0, now=1.0)
    assert budget.wait() == timedelta(seconds=PIECE_BYTES / 1_000)


def test_another_allowance_counts_at_once() -> None:
    budget = ReadBudget(SMALL, now=0.0)
    budget.spend(50_000, now=0.0)
    budget.grant(Allowance(burst=100_000, per_second=100_000))
    assert budget.wait() == timedelta(0)


@given(st.lists(st.tuples(st.integers(0, 5_000), st.floats(0, 2)), max_size=50))
def test_no_more_is_read_than_the_burst_and_what_has_grown(pieces: list[tuple[int, float]]) -> None:
    budget, now, read, last = ReadBudget(SMALL, now=0.0), 0.0, 0, 0
    for size, idle in pieces:
        now += idle + budget.wait().total_seconds()
        budget.spend(size, now)
        read, last = read + size, size
    # The last piece may overdraw the budget, because its size is known only once it was read.
    assert read - last <= SMALL.burst + SMALL.per_second * now + 1
