"""Budgets: never more than the limit in any window, and hardly less where there is always work."""

import itertools
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import InputError
from runtime.rate_limits import Budgets, BudgetTree, Limit, Usage
from runtime.rate_limits.closures import Closure, ClosureKind, Level, Scope, path
from runtime.rate_limits.paced_window import MARGIN
from tests.support.examples import examples

NOW = datetime(2026, 1, 9, tzinfo=UTC)
NOTHING = timedelta(0)
MICROSECOND = timedelta(microseconds=1)
MS = timedelta(milliseconds=1)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
PATH = path("etsy", 3, "publish")
MARKETPLACE, APP_KEY, SHOP, ACTION = PATH


def violations(released: Sequence[datetime], limit: Limit) -> list[datetime]:
    """Where a half-open window begins that holds more releases than the limit."""
    pairs = zip(released, released[limit.count :], strict=False)
    return [first for first, beyond in pairs if beyond - first < limit.per]


def work(
    tree: BudgetTree,
    until: datetime,
    late: Iterable[timedelta] = itertools.repeat(NOTHING),
    scopes: Sequence[Scope] = PATH,
    start: datetime = NOW,
) -> list[datetime]:
    """Release whenever it is allowed; each wake-up comes a little late."""
    now, released, lateness = start, [], iter(late)
    while now < until:
        blocked = tree.blocked(scopes, now)
        if blocked is None:
            tree.release(scopes, now, NOTHING)
            released.append(now)
        else:
            assert blocked.until is not None
            assert blocked.until > now
            now = blocked.until + next(lateness)
    return released


milliseconds = st.integers(0, 5).map(lambda ms: ms * MS)
lateness = st.lists(milliseconds, min_size=1, max_size=50).map(itertools.cycle)
paced_limits = st.builds(
    Limit, st.integers(1, 60), st.integers(800, 60_000).map(lambda ms: ms * MS)
)


@given(limits=st.lists(paced_limits, min_size=1, max_size=3, unique_by=lambda one: one.per),
       late=lateness)  # fmt: skip
@examples(60)
def test_no_window_is_overdrawn_and_hardly_anything_goes_unused(
    limits: list[Limit], late: Iterable[timedelta]
) -> None:
    tree = BudgetTree(Budgets(app_key=tuple(limits)))
    tightest = min(limits, key=lambda one: one.count / one.per.total_seconds())
    duration = max(one.per for one in limits) * 20
    duration = max(duration, tightest.per / tightest.count * 200)
    released = work(tree, NOW + duration, late)
    assert not any(violations(released, limit) for limit in limits)
    if len(limits) == 1:
        assert len(released) >= 0.99 * tightest.count * (duration / tightest.per)


@given(limit=paced_limits, late=lateness, travel=st.randoms(use_true_random=False))
@examples(40)
def test_nor_is_any_window_of_arrivals_where_all_travel_about_as_fast(
    limit: Limit, late: Iterable[timedelta], travel: random.Random
) -> None:
    tree = BudgetTree(Budgets(app_key=(limit,)))
    released = work(tree, NOW + limit.per / limit.count * 200, late)
    slowest = limit.per * (MARGIN - 1) - MICROSECOND  # times are rounded to that
    assert not violations(sorted(when + slowest * travel.random() for when in released), limit)


@given(
    limits=st.tuples(paced_limits, paced_limits, paced_limits),
    pauses=st.lists(st.integers(0, 20_000), max_size=200),
)
@settings(deadline=None)
def test_whenever_work_comes_no_limit_of_the_path_is_overdrawn(
    limits: tuple[Limit, Limit, Limit], pauses: list[int]
) -> None:
    of_all, of_key, of_shop = limits
    tree = BudgetTree(Budgets(marketplace=(of_all,), app_key=(of_key,), shop=(of_shop,)))
    shops = [path("etsy", number, "publish") for number in (1, 2)]
    released: list[tuple[datetime, int]] = []
    now = NOW
    for number, pause in enumerate(pauses):
        now += pause * MS
        scopes = shops[number % 2]
        while (blocked := tree.blocked(scopes, now)) is not None:
            assert blocked.until is not None
            now = blocked.until
        tree.release(scopes, now, NOTHING)
        released.append((now, number % 2))
    times = [when for when, _ in released]
    assert not violations(times, of_all)
    assert not violations(times, of_key)
    for shop in (0, 1):
        assert not violations([when for when, whose in released if whose == shop], of_shop)


def test_calls_are_spread_over_the_window_from_the_first_one_on() -> None:
    tree = BudgetTree(Budgets(app_key=(Limit(10, SECOND),)))
    released = work(tree, NOW + 3 * SECOND)
    apart = [later - earlier for earlier, later in itertools.pairwise(released)]
    assert min(apart) >= 97 * MS


@given(early=st.lists(st.integers(0, 1_500), max_size=60), count=st.integers(1, 40))
def test_what_left_before_a_pace_was_known_counts_for_it(early: list[int], count: int) -> None:
    limit = Limit(count, SECOND)
    tree = BudgetTree(Budgets())
    before = [NOW + ms * MS for ms in sorted(early)]
    for when in before:
        tree.release(PATH, when, NOTHING)
    known = NOW + 1_501 * MS
    tree.announce(APP_KEY, limit, None, 0, known)
    after = work(tree, known + 3 * SECOND, start=known)
    for first in after[:count]:
        window = [when for when in [*before, *after] if first - SECOND < when <= first]
        assert len(window) <= count
    assert len(after) >= 2 * count


def test_time_that_nobody_used_is_not_saved_up_for_a_burst() -> None:
    tree = BudgetTree(Budgets(app_key=(Limit(10, SECOND),)))
    work(tree, NOW + SECOND)
    released = work(tree, NOW + 101 * SECOND, start=NOW + 100 * SECOND)
    assert released[1] - released[0] >= 97 * MS


# --- long windows ---------------------------------------------------------------------------


@given(
    number=st.integers(1, 400),
    seconds=st.integers(61, 200_000),
    late=lateness,
    offset=st.integers(0, 10**9),
)
@examples(30)
def test_a_counted_window_is_never_overdrawn_and_used_to_the_full(
    number: int, seconds: int, late: Iterable[timedelta], offset: int
) -> None:
    limit = Limit(number, seconds * SECOND)
    tree = BudgetTree(Budgets(app_key=(limit,)))
    start = NOW + offset * timedelta(microseconds=997)
    released = work(tree, start + 20 * limit.per, late, start=start)
    assert not violations(released, limit)
    assert len(released) >= 0.99 * number * 20


@given(pauses=st.lists(st.integers(0, 3_000), max_size=300))
def test_however_calls_come_a_counted_window_is_not_overdrawn(pauses: list[int]) -> None:
    limit = Limit(7, 100 * SECOND)
    tree = BudgetTree(Budgets(shop=(limit,)))
    released, now = [], NOW
    for pause in pauses:
        now += pause * 10 * MS
        if tree.blocked(PATH, now) is None:
            tree.release(PATH, now, NOTHING)
            released.append(now)
    assert not violations(released, limit)


def test_a_day_beside_a_second_is_used_to_the_full() -> None:
    second, day = Limit(10, SECOND), Limit(10_000, DAY)
    tree = BudgetTree(Budgets(app_key=(second, day)))
    released = work(tree, NOW + 3 * DAY)
    assert not violations(released, second)
    assert not violations(released, day)
    assert len(released) >= 0.99 * 30_000


def test_a_restart_does_not_forget_what_was_used() -> None:
    limit = Limit(50, DAY)
    budgets = Budgets(app_key=(limit,))
    tree = BudgetTree(budgets)
    kept: dict[tuple[object, ...], Usage] = {}
    released: list[datetime] = []
    for hour in range(0, 72, 3):
        start = NOW + timedelta(hours=hour)
        released += work(tree, start + timedelta(hours=1), start=start)
        for one in tree.changed():
            kept[one.scope, one.window, one.bucket_start] = one
        tree = BudgetTree(budgets)
        tree.restore(kept.values())
    assert not violations(released, limit)
    assert len(released) > 100


def test_what_was_used_counts_also_for_a_limit_that_is_announced_later() -> None:
    tree = BudgetTree(Budgets())
    tree.restore([Usage(APP_KEY, DAY, NOW - timedelta(hours=1), 40)])
    tree.announce(APP_KEY, Limit(50, DAY), None, 0, NOW)
    assert len(work(tree, NOW + SECOND)) == 10


def test_the_usage_names_each_bucket_once_and_all_that_is_in_it() -> None:
    tree = BudgetTree(Budgets(app_key=(Limit(50, DAY),)))
    for _ in range(3):
        tree.release(PATH, NOW, NOTHING)
    (usage,) = tree.changed()
    assert (usage.scope, usage.window, usage.count) == (APP_KEY, DAY, 3)
    assert tree.changed() == ()
    tree.release(PATH, NOW, NOTHING)
    assert [one.count for one in tree.changed()] == [4]


# --- gaps and jitter ------------------------------------------------------------------------


@given(gaps=st.lists(st.integers(0, 5_000).map(lambda ms: ms * MS), max_size=30))
def test_two_calls_of_an_action_are_never_closer_than_the_gap(gaps: list[timedelta]) -> None:
    tree, now, released = BudgetTree(Budgets()), NOW, []
    for gap in gaps:
        blocked = tree.blocked(PATH, now)
        if blocked is not None:
            assert (blocked.scope, blocked.is_pace) == (ACTION, True)
            assert blocked.until is not None
            now = blocked.until
        tree.release(PATH, now, gap)
        released.append((now, gap))
    for (earlier, gap), (later, _) in itertools.pairwise(released):
        assert later - earlier == gap


def test_other_actions_and_shops_do_not_wait_for_the_gap() -> None:
    tree = BudgetTree(Budgets())
    tree.release(PATH, NOW, SECOND)
    assert tree.blocked(PATH, NOW) is not None
    assert tree.blocked(path("etsy", 3, "update"), NOW) is None
    assert tree.blocked(path("etsy", 4, "publish"), NOW) is None


@pytest.mark.parametrize(
    ("draw", "apart"), [(0.0, 2 * SECOND * MARGIN), (0.5, 2 * SECOND * MARGIN + SECOND)]
)
def test_jitter_keeps_the_calls_of_a_shop_further_apart(draw: float, apart: timedelta) -> None:
    budgets = Budgets(shop=(Limit(1, 2 * SECOND),), jitter=2 * SECOND)
    tree = BudgetTree(budgets)
    tree.release(PATH, NOW, SECOND, draw)
    for action in ("publish", "update"):
        blocked = tree.blocked(path("etsy", 3, action), NOW)
        assert blocked is not None
        assert blocked.until == NOW + apart
    assert tree.blocked(path("etsy", 4, "publish"), NOW) is None


# --- what stands in the way -----------------------------------------------------------------


def test_the_node_that_stands_in_the_way_for_longest_is_named_with_the_reason() -> None:
    tree = BudgetTree(Budgets(app_key=(Limit(1, 5 * SECOND),)))
    tree.release(PATH, NOW, SECOND)
    blocked = tree.blocked(PATH, NOW)
    assert blocked is not None
    until = NOW + 5 * SECOND * MARGIN
    assert (blocked.scope, blocked.until, blocked.is_pace) == (APP_KEY, until, True)
    tree.close(Closure(SHOP, ClosureKind.RATE_LIMIT, "a 429", NOW, NOW + 60 * SECOND))
    blocked = tree.blocked(PATH, NOW)
    assert blocked is not None
    assert (blocked.scope, blocked.reason, blocked.is_pace) == (SHOP, "a 429", False)
    tree.close(Closure(MARKETPLACE, ClosureKind.PAUSED, "for the night", NOW))
    blocked = tree.blocked(PATH, NOW)
    assert blocked is not None
    assert (blocked.scope, blocked.until) == (MARKETPLACE, None)
    assert tree.open(MARKETPLACE, ClosureKind.PAUSED)
    blocked = tree.blocked(PATH, NOW + 60 * SECOND)
    assert blocked is None, "a closure ends by itself"


def test_a_used_up_quota_is_named_as_such() -> None:
    tree = BudgetTree(Budgets(app_key=(Limit(2, DAY),)))
    work(tree, NOW + MS)
    blocked = tree.blocked(PATH, NOW)
    assert blocked is not None
    assert not blocked.is_pace
    assert "2 calls per 86,400 s is used up" in blocked.reason
    assert blocked.until is not None
    assert DAY <= blocked.until - NOW <= DAY * 1.005


# --- what a marketplace announces -----------------------------------------------------------


def test_an_announced_limit_replaces_the_configured_one_of_its_window() -> None:
    tree = BudgetTree(Budgets(app_key=(Limit(10, SECOND), Limit(10_000, DAY))))
    tree.announce(APP_KEY, Limit(2, SECOND), None, 0, NOW)
    assert len(work(tree, NOW + 10 * SECOND)) == 20
    tree.announce(APP_KEY, Limit(5, SECOND), None, 0, NOW + 10 * SECOND)
    released = work(tree, NOW + 20 * SECOND, start=NOW + 10 * SECOND)
    assert 49 <= len(released) <= 51


def test_what_others_used_of_a_quota_is_not_left_for_us() -> None:
    tree = BudgetTree(Budgets())
    tree.announce(APP_KEY, Limit(100, DAY), 30, 0, NOW)
    assert len(work(tree, NOW + MS)) == 30
    later = NOW + DAY / 2
    assert 34 <= len(work(tree, later, start=NOW)) <= 35, (
        "theirs leaves the window in the course of it"
    )


def test_calls_under_way_are_not_taken_for_those_of_others() -> None:
    tree = BudgetTree(Budgets(app_key=(Limit(100, DAY),)))
    for _ in range(10):
        tree.release(PATH, NOW, NOTHING)
    # Of ten that left, one was answered, and the marketplace has seen one.
    tree.announce(APP_KEY, Limit(100, DAY), 99, 9, NOW)
    assert len(work(tree, NOW + MS)) == 90


# --- a 429 that says nothing ----------------------------------------------------------------


def test_a_refusal_without_a_word_halves_the_rate_which_creeps_back() -> None:
    tree = BudgetTree(Budgets(app_key=(Limit(10, SECOND),)))
    work(tree, NOW + 10 * SECOND)
    start = NOW + 10 * SECOND
    assert tree.throttle(APP_KEY, start, start)
    assert 45 <= len(work(tree, start + 10 * SECOND, start=start)) <= 55
    assert tree.rate(APP_KEY, start + timedelta(minutes=3)) == pytest.approx(0.8)
    later = start + timedelta(minutes=6)
    assert tree.rate(APP_KEY, later) == 1.0
    released = work(tree, later + 10 * SECOND, start=later)
    assert 99 <= len(released) <= 101


def test_calls_that_were_under_way_together_halve_it_once() -> None:
    tree = BudgetTree(Budgets(app_key=(Limit(10, SECOND),)))
    assert tree.throttle(APP_KEY, NOW + SECOND, left_at=NOW)
    assert not tree.throttle(APP_KEY, NOW + 2 * SECOND, left_at=NOW + SECOND / 2)
    assert tree.throttle(APP_KEY, NOW + 3 * SECOND, left_at=NOW + 2 * SECOND)
    assert tree.rate(APP_KEY, NOW + 3 * SECOND) == pytest.approx(0.25, abs=0.01)


def test_a_node_without_a_limit_learns_one_from_its_own_pace() -> None:
    tree = BudgetTree(Budgets())
    for number in range(100):
        tree.release(PATH, NOW + number * 100 * MS, NOTHING)
    start = NOW + 10 * SECOND
    assert tree.throttle(APP_KEY, start, start)
    released = work(tree, start + 20 * SECOND, start=start)
    assert 95 <= len(released) <= 110, "half of ten a second"
    later = start + timedelta(minutes=6)
    assert tree.blocked(PATH, later) is None
    tree.release(PATH, later, NOTHING)
    assert tree.blocked(PATH, later) is None, "it crept back to what it was: no limit"


# --- bad input and forgetting ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "per", "complaint"),
    [
        (0, SECOND, "lets none through"),
        (-1, SECOND, "lets none through"),
        (1.5, SECOND, "whole number"),
        (True, SECOND, "whole number"),
        (1, NOTHING, "cannot be kept to"),
        (1, -SECOND, "cannot be kept to"),
        (1, timedelta(days=9_999), "cannot be kept to"),
        (1, 61.5 * SECOND, "whole seconds"),
        (1, 1, "per timedelta"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(number: Any, per: Any, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        Limit(number, per)


def test_two_limits_for_one_window_are_refused() -> None:
    with pytest.raises(InputError, match="two limits for one window"):
        Budgets(shop=(Limit(1, SECOND), Limit(2, SECOND)))
    with pytest.raises(InputError, match="jitter"):
        Budgets(jitter=-SECOND)
    with pytest.raises(InputError, match="budgets of app_key"):
        Budgets(app_key=(10,))  # type: ignore[arg-type]


def test_nodes_that_are_idle_are_forgotten() -> None:
    tree = BudgetTree(Budgets(shop=(Limit(5, SECOND),), speaks_of=Level.SHOP))
    for shop in range(1_000):
        tree.release(path("etsy", shop, "publish"), NOW, SECOND)
    assert len(tree) == 2_000
    later = NOW + timedelta(minutes=1)
    tree.release(PATH, later, SECOND)
    assert len(tree) == 2


def test_a_shop_is_remembered_until_its_rate_is_whole_again() -> None:
    tree = BudgetTree(Budgets(shop=(Limit(5, SECOND),), speaks_of=Level.SHOP))
    tree.release(PATH, NOW, NOTHING)
    tree.throttle(SHOP, NOW, NOW)
    tree.release(path("etsy", 4, "sync"), NOW + timedelta(minutes=4), NOTHING)
    assert tree.rate(SHOP, NOW + timedelta(minutes=4)) == pytest.approx(0.9)
    tree.release(path("etsy", 4, "sync"), NOW + timedelta(minutes=6), NOTHING)
    assert len(tree) == 1


@given(
    limits=st.lists(paced_limits, min_size=1, max_size=2, unique_by=lambda one: one.per),
    delays=st.lists(st.integers(0, 12).map(lambda ms: ms * MS), min_size=1, max_size=30),
)
@examples(60)
def test_calls_that_leave_later_than_their_turn_violate_no_limit(
    limits: list[Limit], delays: list[timedelta]
) -> None:
    tree, now = BudgetTree(Budgets(app_key=tuple(limits))), NOW
    left: list[datetime] = []
    later = itertools.cycle(delays)
    while len(left) < 150:
        blocked = tree.blocked(PATH, now)
        if blocked is not None:
            assert blocked.until is not None
            now = blocked.until
            continue
        tree.release(PATH, now, NOTHING)
        released_at, now = now, now + next(later)
        tree.left(PATH, released_at, now)
        left.append(now)
    for limit in limits:
        assert violations(left, limit) == []


def test_the_gap_begins_when_a_call_leaves() -> None:
    tree = BudgetTree(Budgets())
    tree.release(PATH, NOW, SECOND)
    tree.left(PATH, NOW, NOW + 40 * MS)
    blocked = tree.blocked(PATH, NOW + SECOND)
    assert blocked is not None
    assert blocked.until == NOW + SECOND + 40 * MS


def test_a_guessed_pace_begins_when_the_call_leaves() -> None:
    tree = BudgetTree(Budgets())
    tree.release(PATH, NOW, NOTHING)
    assert tree.throttle(APP_KEY, NOW, NOW)
    tree.release(PATH, NOW, NOTHING)
    tree.left(PATH, NOW, NOW + 40 * MS)
    blocked = tree.blocked(PATH, NOW + SECOND)
    assert blocked is not None
    assert blocked.until is not None
    assert blocked.until > NOW + 10 * SECOND + 40 * MS, "one call in ten seconds"


def test_of_two_closures_of_one_scope_the_longer_is_named() -> None:
    tree = BudgetTree(Budgets())
    tree.close(Closure(SHOP, ClosureKind.PAUSED, "holidays", NOW))
    tree.close(Closure(SHOP, ClosureKind.RATE_LIMIT, "a 429", NOW, NOW + SECOND))
    blocked = tree.blocked(PATH, NOW)
    assert blocked is not None
    assert (blocked.reason, blocked.until) == ("holidays", None)


def test_a_call_that_leaves_in_a_later_bucket_is_counted_there() -> None:
    limit = Limit(1, DAY)
    tree = BudgetTree(Budgets(app_key=(limit,)))
    width = DAY / 240
    tree.release(PATH, NOW + width - MS, NOTHING)
    tree.left(PATH, NOW + width - MS, NOW + width)
    blocked = tree.blocked(PATH, NOW + width)
    assert blocked is not None
    assert blocked.until == NOW + 2 * width + DAY
    assert {(one.bucket_start, one.count) for one in tree.changed()} == {
        (NOW, 0), (NOW + width, 1)
    }  # fmt: skip
