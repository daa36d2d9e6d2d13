"""Measures the cost of finding the next call that may leave, beside asking the budgets alone.

Two measurements of the same calls, on the same machine:

- *floor*: the tree of budgets alone is asked whether a call may leave, and told that it did;
- *queue*: the calls wait in a call queue, which lets each go when it may.

The ratio is what counts; the absolute figures are the machine's.

    python benchmarks/call_queue.py [--calls 20000] [--rounds 3]
"""

import argparse
import statistics
import time
from datetime import UTC, datetime, timedelta

from runtime.rate_limits import Budgets, BudgetTree, Limit
from runtime.rate_limits.call_queue import CallQueue
from runtime.rate_limits.closures import path
from runtime.rate_limits.streams import Wish

START = datetime(2026, 1, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SHAPES = {
    "one lane": (1, 1),
    "50 lanes that wait for their app key": (50, 1),
    "5,000 lanes that wait for their app key": (5_000, 1),
    "1,000 lanes of five actions each": (1_000, 5),
}
"""Lanes and actions of each."""


def wishes(calls: int, lanes: int, actions: int) -> list[Wish[int]]:
    """Calls that come round the lanes and their actions, of all priorities."""
    return [
        Wish(one, one % lanes, f"action-{one // lanes % actions}", one % lanes, 1 + one % 7 % 4)
        for one in range(calls)
    ]


def tree() -> BudgetTree:
    """Budgets that let a call go every millisecond."""
    return BudgetTree(Budgets(app_key=(Limit(1_000, SECOND),)))


def floor(asked: list[Wish[int]]) -> float:
    """Seconds of the processor in which the budgets alone let the calls go."""
    budgets, now = tree(), START
    paths = [path("benchmark", one.shop_id, one.action) for one in asked]
    began = time.process_time()
    for scopes in paths:
        blocked = budgets.blocked(scopes, now)
        if blocked is not None and blocked.until is not None:
            now = blocked.until
        budgets.release(scopes, now, timedelta(0), 0.0)
    return time.process_time() - began


def through_the_queue(asked: list[Wish[int]]) -> float:
    """Seconds of the processor in which the calls wait and go."""
    queue: CallQueue[int] = CallQueue("benchmark", tree(), 4, lambda: 0.0)
    now, left = START, 0
    began = time.process_time()
    for one in asked:
        queue.put(one, now)
    while left < len(asked):
        released = queue.take(now).released
        left += len(released)
        for one in released:
            queue.place_freed(one.lane)
        if not released:
            due = queue.next_due()
            assert due is not None
            now = max(now, due)
    return time.process_time() - began


def main() -> None:
    """Measure, and print the ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for name, (lanes, actions) in SHAPES.items():
        asked = wishes(options.calls, lanes, actions)
        rounds = [(floor(asked), through_the_queue(asked)) for _ in range(options.rounds)]
        alone, queued = (statistics.median(one) for one in zip(*rounds, strict=True))
        print(
            f"{name}: {1e6 * alone / len(asked):.1f} µs alone, "
            f"{1e6 * queued / len(asked):.1f} µs through the queue, {queued / alone:.1f} times"
        )


if __name__ == "__main__":
    main()
