"""The call queue: the order of calls, the places where they wait, and the cost of a look."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.rate_limits import Blocked, Budgets, BudgetTree, Limit
from runtime.rate_limits.call_queue import AGING, PATIENCE, CallQueue
from runtime.rate_limits.closures import Closure, ClosureKind, Level, Scope, path
from runtime.rate_limits.paced_window import MARGIN
from runtime.rate_limits.streams import Wish
from runtime.rate_limits.tree import Path

NOW = datetime(2026, 1, 9, tzinfo=UTC)
NOTHING = timedelta(0)
SECOND = timedelta(seconds=1)
APP_KEY = Scope("etsy", Level.APP_KEY)


class CountingTree(BudgetTree):
    """Counts how often it is asked about a path, and about a scope."""

    def __init__(self, budgets: Budgets) -> None:
        super().__init__(budgets)
        self.tried: Counter[int | None] = Counter()
        self.asked = 0

    def blocked(self, path: Path, now: datetime) -> Blocked | None:
        self.tried[path[-1].shop_id] += 1
        return super().blocked(path, now)

    def blocked_at(self, scope: Scope, now: datetime) -> Blocked | None:
        self.asked += 1
        return super().blocked_at(scope, now)


class Bench:
    """A queue and a clock; notes what leaves, when."""

    def __init__(self, places: int = 8, **budgets: object) -> None:
        self.tree = CountingTree(Budgets(**budgets))  # type: ignore[arg-type]
        self.queue: CallQueue[int] = CallQueue("etsy", self.tree, places, lambda: 0.0)
        self.now = NOW
        self.left: list[tuple[Wish[int], datetime]] = []
        self.refused: list[tuple[int, Blocked]] = []
        self._numbers = count()

    def put(
        self, shop: int, action: str = "publish", priority: int = 3, gap: timedelta = NOTHING,
        lane: int | None = None,
    ) -> int:  # fmt: skip
        item = next(self._numbers)
        wish = Wish(item, shop, action, lane or shop, priority, gap)
        self.queue.put(wish, self.now)
        return item

    def take(self) -> list[int]:
        taken = self.queue.take(self.now)
        self.left += [(wish, self.now) for wish in taken.released]
        self.refused += taken.refused
        return [wish.item for wish in taken.released]

    def run(self, duration: timedelta, answered: bool = True) -> list[int]:
        """Go on to that time; what leaves is answered at once."""
        end, first = self.now + duration, len(self.left)
        while True:
            for item in self.take():
                if answered:
                    lane = next(wish.lane for wish, _ in self.left if wish.item == item)
                    self.queue.place_freed(lane)
            due = self.queue.next_due()
            if due is None or due > end:
                self.now = end
                return [wish.item for wish, _ in self.left[first:]]
            self.now = max(self.now, due)

    def close(self, scope: Scope, until: datetime | None) -> None:
        self.tree.close(Closure(scope, ClosureKind.RATE_LIMIT, "a 429", self.now, until))
        self.queue.changed(scope)


# --- whose turn it is -----------------------------------------------------------------------


def test_of_those_that_may_go_better_priority_comes_first_then_lanes_in_turns() -> None:
    bench = Bench(app_key=(Limit(1, SECOND),))
    bench.put(9)
    bench.take()
    crowd = [bench.put(1) for _ in range(3)]
    other = [bench.put(2) for _ in range(2)]
    urgent = bench.put(3, priority=1)
    assert bench.run(10 * SECOND) == [urgent, crowd[0], other[0], crowd[1], other[1], crowd[2]]


def test_a_lane_that_comes_late_has_its_turn_with_the_next_free_slot() -> None:
    bench = Bench(app_key=(Limit(1, SECOND),))
    for _ in range(1_000):
        bench.put(1)
    bench.run(5 * SECOND)
    late = bench.put(2)
    assert late in bench.run(2 * SECOND)


def test_a_lane_that_was_idle_does_not_have_its_turns_twice() -> None:
    bench = Bench()
    waiting = bench.put(2)
    bench.close(path("etsy", 2, "publish")[2], NOW + SECOND)
    for _ in range(3):
        bench.put(1)
        bench.run(NOTHING)
    bench.now = NOW + SECOND
    again = bench.put(1)
    assert bench.take() == [waiting, again]


def test_a_lane_that_always_comes_back_does_not_starve_one_that_waits() -> None:
    bench = Bench(app_key=(Limit(1, SECOND),))
    bench.put(1)
    bench.take()
    crowd = {bench.put(1) for _ in range(20)}
    for _ in range(20):
        for shop in (2, 3):
            bench.put(shop)
        bench.run(SECOND)
    left = [wish.item for wish, _ in bench.left]
    assert len(crowd & set(left)) >= 5, "about every third"


def test_what_waits_rises_so_that_urgent_calls_do_not_keep_it_for_ever() -> None:
    bench = Bench(app_key=(Limit(1, 10 * SECOND),))
    bench.put(9)
    bench.take()
    low = bench.put(1, priority=4)
    start = bench.now
    while low not in [wish.item for wish, _ in bench.left]:
        bench.put(2, priority=1)
        bench.run(10 * SECOND)
        assert bench.now - start < 5 * AGING
    assert bench.now - start >= 3 * AGING


def test_what_waits_rises_in_time_whatever_its_action_did_before() -> None:
    bench = Bench(app_key=(Limit(1, SECOND),))
    former = bench.put(1, priority=4, gap=AGING * 7 / 4)
    assert bench.take() == [former]
    bench.queue.place_freed(1)
    bench.now += AGING / 2
    risen = bench.put(1, priority=2)
    for duration in (AGING / 2, AGING * 3 / 4 - SECOND):
        assert bench.run(duration) == []
    bench.now += SECOND * MARGIN
    bench.put(2, priority=1)
    assert bench.take() == [risen]


def test_a_paced_action_does_not_hold_up_the_others_of_its_lane() -> None:
    bench = Bench()
    slow = [bench.put(1, "publish", gap=60 * SECOND) for _ in range(3)]
    quick = [bench.put(1, "update") for _ in range(3)]
    assert bench.take() == [slow[0], *quick]


def test_a_lane_has_its_places_and_a_place_that_is_free_goes_to_who_waits_for_it() -> None:
    bench = Bench(places=2)
    first = [bench.put(1) for _ in range(3)]
    other = bench.put(2)
    urgent = bench.put(1, "update", priority=1)
    assert set(bench.take()) == {urgent, first[0], other}
    assert bench.queue.in_flight(1) == 2
    bench.queue.place_freed(1)
    assert bench.take() == [first[1]]


def test_a_call_that_became_urgent_company_goes_before_those_that_wait_longer() -> None:
    bench = Bench(app_key=(Limit(1, SECOND),))
    bench.put(9)
    bench.take()
    bench.put(1)
    slow = bench.put(2)
    bench.take()
    urgent = bench.put(2, priority=1)
    left = bench.run(3 * SECOND * MARGIN)
    assert left[0] == urgent
    assert slow in left


def test_what_is_withdrawn_does_not_leave_and_costs_nothing() -> None:
    bench = Bench(app_key=(Limit(1, SECOND),))
    items = [bench.put(1) for _ in range(4)]
    assert bench.take() == items[:1]
    bench.queue.place_freed(1)
    bench.queue.withdraw(items[1])
    bench.queue.withdraw(items[1])
    assert bench.run(SECOND * MARGIN) == [items[2]]
    bench.queue.withdraw(items[3])
    assert bench.run(10 * SECOND) == []
    assert len(bench.queue) == 0
    assert bench.queue.remembered == 0


# --- waking exactly those that waited -------------------------------------------------------


def test_a_node_that_frees_wakes_those_that_waited_for_it_and_nobody_else() -> None:
    bench = Bench()
    for shop in (1, 2, 3):
        bench.close(Scope("etsy", Level.SHOP, shop), NOW + shop * SECOND)
        bench.put(shop)
    assert bench.take() == []
    bench.tree.tried.clear()
    for shop in (1, 2, 3):
        bench.run(SECOND)
        assert dict(bench.tree.tried) == {shop: 1}
        bench.tree.tried.clear()


def test_an_opened_node_wakes_its_lanes_at_once() -> None:
    bench = Bench()
    bench.close(APP_KEY, NOW + 50 * SECOND)
    item = bench.put(1)
    assert bench.take() == []
    bench.tree.open(APP_KEY, ClosureKind.RATE_LIMIT)
    bench.queue.changed(APP_KEY)
    assert bench.take() == [item]


def test_a_closed_node_stops_all_lanes_at_once_and_lets_them_go_on_in_time() -> None:
    bench = Bench(app_key=(Limit(10, SECOND),))
    for shop in range(5):
        for _ in range(20):
            bench.put(shop)
    bench.run(SECOND)
    closed_at = bench.now
    bench.close(APP_KEY, closed_at + 3 * SECOND)
    bench.run(10 * SECOND)
    pause = [(a, b) for (_, a), (_, b) in pairwise(bench.left) if b - a > SECOND]
    assert [after for _, after in pause] == [closed_at + 3 * SECOND]


def test_a_call_that_would_have_to_wait_for_long_is_refused_with_the_reason() -> None:
    bench = Bench()
    shop = Scope("etsy", Level.SHOP, 1)
    bench.close(shop, NOW + PATIENCE)
    waits, other = bench.put(1), bench.put(2)
    assert bench.take() == [other]
    bench.close(shop, NOW + PATIENCE + SECOND)
    assert bench.take() == []
    ((item, blocked),) = bench.refused
    assert (item, blocked.scope, blocked.reason) == (waits, shop, "a 429")
    bench.close(shop, None)
    forever = bench.put(1)
    bench.take()
    assert [item for item, _ in bench.refused] == [waits, forever]


def test_a_long_closure_refuses_all_who_wait_for_the_scope() -> None:
    bench = Bench(app_key=(Limit(1, SECOND),))
    items = [bench.put(shop) for shop in range(100)]
    (first,) = bench.take()
    bench.close(APP_KEY, None)
    bench.take()
    assert {item for item, _ in bench.refused} == set(items) - {first}
    assert len(bench.queue) == 0


def test_a_pace_is_waited_for_however_slow_it_is() -> None:
    bench = Bench()
    gap = timedelta(minutes=10)
    items = [bench.put(1, gap=gap) for _ in range(3)]
    assert bench.run(2 * gap) == items
    assert bench.refused == []


# --- what it costs --------------------------------------------------------------------------


def test_a_release_among_5000_waiting_lanes_costs_as_little_as_among_50() -> None:
    costs = []
    for lanes in (50, 5_000):
        bench = Bench(app_key=(Limit(10, SECOND),))
        for shop in range(lanes):
            for _ in range(2):
                bench.put(shop, gap=SECOND)
        bench.take()
        bench.tree.tried.clear()
        bench.tree.asked = 0
        left = len(bench.run(4 * SECOND * MARGIN))
        assert left == 40
        costs.append((bench.tree.tried.total() / left, bench.tree.asked / left))
    (few_tried, few_asked), (many_tried, many_asked) = costs
    assert many_tried <= few_tried + 1 <= 4
    assert many_asked <= few_asked + 4


def test_once_everything_left_nothing_is_remembered() -> None:
    bench = Bench(app_key=(Limit(50, SECOND),))
    for shop in range(200):
        bench.put(shop, gap=SECOND)
    bench.run(10 * SECOND)
    assert len(bench.left) == 200
    assert bench.queue.remembered == 0
    assert bench.queue.next_due() is None


# --- whatever happens -----------------------------------------------------------------------

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "answer", "pass", "withdraw", "close", "open"]),
        st.integers(0, 5),
        st.integers(1, 4),
    ),
    max_size=60,
)


@given(events=EVENTS)
@settings(deadline=None)
def test_whatever_happens_each_call_leaves_once_or_is_refused_within_limits_and_places(  # noqa: C901
    events: list[tuple[str, int, int]],
) -> None:
    key, shop_limit = Limit(5, SECOND), Limit(2, SECOND)
    bench = Bench(places=2, app_key=(key,), shop=(shop_limit,))
    waiting: set[int] = set()
    in_flight: list[Wish[int]] = []

    def take() -> None:
        first, refused = len(bench.left), len(bench.refused)
        bench.take()
        for wish, when in bench.left[first:]:
            waiting.remove(wish.item)
            in_flight.append(wish)
            scopes = path("etsy", wish.shop_id, wish.action)
            assert not list(bench.tree.closures.of(scopes, when))
        for item, blocked in bench.refused[refused:]:
            waiting.remove(item)
            assert blocked.until is None

    def let_pass(until: datetime) -> None:
        while (due := bench.queue.next_due()) is not None and due <= until:
            bench.now = max(bench.now, due)
            take()
        bench.now = max(bench.now, until)

    for what, number, priority in events:
        scope = APP_KEY if number == 0 else Scope("etsy", Level.SHOP, number)
        match what:
            case "put":
                waiting.add(bench.put(number, f"a{priority % 2}", priority, priority * SECOND / 4))
            case "answer" if in_flight:
                bench.queue.place_freed(in_flight.pop(number % len(in_flight)).lane)
            case "pass":
                let_pass(bench.now + number * SECOND / 3)
            case "withdraw" if waiting:
                item = sorted(waiting)[number % len(waiting)]
                waiting.discard(item)
                bench.queue.withdraw(item)
            case "close":
                bench.close(scope, None if priority == 4 else bench.now + priority * SECOND)
            case "open":
                bench.tree.open(scope, ClosureKind.RATE_LIMIT)
                bench.queue.changed(scope)
        take()
        assert max(Counter(wish.lane for wish in in_flight).values(), default=0) <= 2
        assert len(bench.queue) == len(waiting)
    for scope in (APP_KEY, *(Scope("etsy", Level.SHOP, shop) for shop in range(6))):
        bench.tree.open(scope, ClosureKind.RATE_LIMIT)
        bench.queue.changed(scope)
    for _ in range(200):
        while in_flight:
            bench.queue.place_freed(in_flight.pop().lane)
        take()
        let_pass(bench.now + SECOND)
    assert not waiting, "nobody is forgotten"
    while in_flight:
        bench.queue.place_freed(in_flight.pop().lane)
    assert bench.queue.remembered == 0
    times = [when for _, when in bench.left]
    assert all(b - a >= SECOND for a, b in zip(times, times[5:], strict=False))
