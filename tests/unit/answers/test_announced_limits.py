"""A limit that answers announce: kept from then on, whatever is in the air and whoever calls."""

import heapq
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import Budgets, Level, Limit
from runtime.answers.limit_keeper import LimitKeeper, SentCall
from runtime.marketplaces.record import Marketplace
from runtime.rate_limits import BudgetTree, Usage
from runtime.rate_limits.call_queue import CallQueue
from runtime.rate_limits.closures import path
from runtime.rate_limits.streams import Wish
from runtime.runs.answer import Answer
from runtime.runs.calls import HttpCall, Success
from tests.support.examples import examples

NOW = datetime(2026, 1, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MS = timedelta(milliseconds=1)
LANE = 3
READ = HttpCall("GET", "/listings")
PATH = path("etsy", LANE, "sync")


class Marketplaces:
    """One marketplace with a quota of which its answers speak, and who calls it.

    Args:
        latencies: between the arrival of each call and its answer.
        others: when somebody else calls under the same key.
    """

    def __init__(
        self, quota: Limit, latencies: Sequence[timedelta], others: Sequence[datetime] = ()
    ) -> None:
        self.quota = quota
        self.ours: list[datetime] = []
        self.others = list(others)
        self._latencies = cycle(latencies)
        self.tree = BudgetTree(Budgets(app_key=(Limit(10, SECOND),), speaks_of=Level.APP_KEY))
        self._queue: CallQueue[int] = CallQueue("etsy", self.tree, 1_000, lambda: 0.0)
        marketplace = Marketplace("etsy", budgets=self.tree.budgets)
        self._keeper = LimitKeeper(
            marketplace.name, marketplace.read_answer, marketplace.read_commonly,
            marketplace.limit_inquiry, self.tree, self._queue, _fail,
        )  # fmt: skip
        self._numbers = count()

    def work(self, start: datetime, until: datetime) -> None:
        """Call whenever it is allowed."""
        now = start
        answers: list[tuple[datetime, int, SentCall, Answer]] = []
        waits = False
        while now < until:
            while answers and answers[0][0] <= now:
                _, _, sent, answer = heapq.heappop(answers)
                self._queue.place_freed(LANE)
                self._keeper.answered(sent, Success(None, answer), now)
            if not waits:
                self._queue.put(Wish(next(self._numbers), LANE, "sync", LANE, 3), now)
            turn = self._queue.take(now)
            waits = not turn.released and not turn.refused
            if turn.released:
                sent = self._keeper.leaves(LANE, "sync", LANE, READ, now)
                answered_at = now + next(self._latencies)
                heapq.heappush(answers, (answered_at, next(self._numbers), sent, self._arrive(now)))
                continue
            times = [self._queue.next_due(), *(blocked.until for _, blocked in turn.refused)]
            times += [when for when, *_ in answers[:1]]
            now = min((one for one in times if one is not None), default=until)

    def _arrive(self, now: datetime) -> Answer:
        self.ours.append(now)
        begin = now - self.quota.per
        used = sum(begin < one <= now for one in (*self.ours, *self.others))
        headers = {
            "x-ratelimit-limit": f"{self.quota.count};w={self.quota.per // SECOND}",
            "x-ratelimit-remaining": str(max(0, self.quota.count - used)),
        }
        return Answer(200, headers, good=True)


def _fail(error: Exception) -> None:
    raise error


def violations(released: Sequence[datetime], limit: Limit) -> int:
    """How many half-open windows hold more releases than the limit."""
    pairs = zip(released, released[limit.count :], strict=False)
    return sum(beyond - first < limit.per for first, beyond in pairs)


def unsure(latencies: Sequence[timedelta]) -> int:
    """How many calls may be in the air beside one: whether they are others' is not known."""
    return 2 * (max(latencies) // (SECOND / 10))


latencies = st.lists(st.sampled_from([1, 150, 850]).map(lambda ms: ms * MS), min_size=1, max_size=9)


@given(latencies=latencies, number=st.integers(15, 60))
@examples(25)
def test_calls_of_before_it_was_known_count(latencies: list[timedelta], number: int) -> None:
    world = Marketplaces(Limit(number, 120 * SECOND), latencies)
    world.work(NOW, NOW + 400 * SECOND)
    assert violations(world.ours, world.quota) == 0
    assert len(world.ours) >= 3 * number


@given(latencies=latencies, began=st.integers(0, 14_999), left=st.integers(9, 30))
@examples(25)
def test_nor_does_what_a_former_process_used_hide_them(
    latencies: list[timedelta], began: int, left: int
) -> None:
    """A bucket of its usage counts here a while longer than there."""
    limit = Limit(240 + left, 3_600 * SECOND)
    width = limit.per / 240
    world = Marketplaces(limit, latencies)
    world.ours = [NOW - limit.per + width * one + SECOND for one in range(240)]
    world.tree.restore(Usage(PATH[1], limit.per, when - SECOND, 1) for when in world.ours)
    start = NOW + began * MS
    world.work(start, start + 100 * SECOND)
    assert violations(world.ours, limit) == 0
    assert len(world.ours) >= limit.count - unsure(latencies)


@given(latencies=latencies, others=st.integers(1, 14))
@examples(25)
def test_what_others_used_is_seen_however_answers_overtake_each_other(
    latencies: list[timedelta], others: int
) -> None:
    limit = Limit(25, 3_600 * SECOND)
    before = [NOW - SECOND * n for n in range(1, others + 1)]
    world = Marketplaces(limit, latencies, before)
    world.work(NOW, NOW + 60 * SECOND)
    assert violations(sorted([*before, *world.ours]), limit) == 0
    unsure = 2 * (max(latencies) // (SECOND / 10))
    assert len(world.ours) >= limit.count - others - unsure, (
        "of what is in the air it may be theirs"
    )


@pytest.mark.parametrize("per", [SECOND * 30, SECOND * 3_600])
def test_a_limit_without_what_is_left_of_it_counts_what_went_before(per: timedelta) -> None:
    tree = BudgetTree(Budgets())
    for n in range(8):
        tree.release(PATH, NOW + n * MS, timedelta(0))
    now = NOW + SECOND
    tree.announce(PATH[1], Limit(10, per), None, 0, now)
    released = []
    while now < NOW + per:
        blocked = tree.blocked(PATH, now)
        if blocked is None:
            tree.release(PATH, now, timedelta(0))
            released.append(now)
        else:
            assert blocked.until is not None
            now = blocked.until
    assert len(released) == 2


def test_what_is_known_of_before_survives_with_the_usage() -> None:
    tree = BudgetTree(Budgets())
    for _ in range(3):
        tree.release(PATH, NOW, timedelta(0))
    assert tree.changed() == ()
    tree.announce(PATH[1], Limit(10, timedelta(days=1)), None, 0, NOW)
    tree.release(PATH, NOW, timedelta(0))
    assert [one.count for one in tree.changed()] == [4]
