"""The tree of budgets: marketplace, app key, shop, action."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from runtime.budgets.limits import Budgets, Limit
from runtime.budgets.node import NodeBudget
from runtime.budgets.usage import Usage
from runtime.closures import Closure, ClosureKind, Closures, Level, Node

Path = Sequence[Node]
OF_ONE_ACCOUNT = frozenset({Level.SHOP, Level.ACTION})
ANNOUNCED_FOR = timedelta(days=1)
"""How long an announced limit is remembered of a node that nobody uses."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """The node of a path that stands in the way for longest.

    Attributes:
        until: None: until somebody opens it.
        reason: in words for a person.
        is_pace: it is only not its turn yet.
        is_closure: it is closed; where neither, its quota is used up.
    """

    node: Node
    until: datetime | None
    reason: str
    is_pace: bool = False
    is_closure: bool = False

    def outlasts(self, other: "Blocked | None") -> bool:
        """Whether it stands in the way for longer."""
        if other is None or other.until is None:
            return other is None
        return self.until is None or self.until > other.until


class BudgetTree:
    """What was used, what is closed, and what is free, of one marketplace.

    Attributes:
        closures: what is closed. Who changes it tells the queue which waits for it.
    """

    def __init__(self, budgets: Budgets) -> None:
        self.budgets = budgets
        self.closures = Closures()
        self._nodes: dict[Node, NodeBudget] = {}
        self._former: dict[Node, list[Usage]] = {}
        self._changed: dict[Node, None] = {}
        self._idle: list[tuple[datetime, int, Node]] = []
        self._order = count()
        watched = {level for level in Level if budgets.of(level)} | {budgets.speaks_of}
        self._watched = frozenset(watched | (OF_ONE_ACCOUNT if budgets.jitter else set()))

    def __len__(self) -> int:
        """How many nodes it remembers anything of."""
        return len(self._nodes)

    def blocked(self, path: Path, now: datetime) -> Blocked | None:
        """What keeps a call of this path from going for longest; None where it may go now."""
        worst: Blocked | None = None
        for node in path:
            found = self.blocked_at(node, now)
            if found is not None and found.outlasts(worst):
                worst = found
        return worst

    def blocked_at(self, node: Node, now: datetime) -> Blocked | None:
        """What keeps calls from going through this one node."""
        worst: Blocked | None = None
        for closure in self.closures.of((node,), now):
            found = Blocked(node, closure.until, closure.reason, is_closure=True)
            if found.outlasts(worst):
                worst = found
        budget = self._nodes.get(node)
        if budget is None:
            return worst
        if (used_up := budget.used_up(now)) is not None:
            found = Blocked(node, used_up[0], f"its limit of {used_up[1]} is used up")
            if found.outlasts(worst):
                worst = found
        if (paced_at := budget.paced_at(now)) > now:
            found = Blocked(node, paced_at, "its pace", is_pace=True)
            if found.outlasts(worst):
                worst = found
        return worst

    def release(self, path: Path, now: datetime, gap: timedelta, draw: float = 0.0) -> None:
        """Count a call of this path in.

        Args:
            gap: least time until the next one of the same action of the same shop.
            draw: uniform in [0, 1), for the jitter.
        """
        jitter = self.budgets.jitter * draw
        for node in path:
            is_action = node.level is Level.ACTION
            if node.level not in self._watched and not (is_action and gap):
                continue
            budget = self._budget(node)
            budget.release(
                now,
                gap if is_action else timedelta(0),
                jitter if node.level in OF_ONE_ACCOUNT else timedelta(0),
            )
            self._changed[node] = None
        self._forget_idle(now)

    def left(self, path: Path, released_at: datetime, now: datetime) -> None:
        """A call that was released then leaves only now, when the marketplace counts it."""
        for node in path:
            budget = self._nodes.get(node)
            if budget is not None:
                budget.left(released_at, now)
                self._changed[node] = None

    def announce(
        self, node: Node, limit: Limit, remaining: int | None, unsure: int, now: datetime
    ) -> None:
        """The marketplace says what a node's limit is, and how much of it is left."""
        budget = self._budget(node)
        budget.keep_to(limit)
        budget.remember(now + ANNOUNCED_FOR)
        self._restore(node, budget)
        if remaining is not None:
            budget.remaining(limit, remaining, unsure, now)

    def throttle(self, node: Node, now: datetime, left_at: datetime) -> bool:
        """A call that left then was refused without a word; whether that halved the rate."""
        return self._budget(node).throttle(now, left_at)

    def rate(self, node: Node, now: datetime) -> float:
        """The share of its limits that a node may use: 1, unless it was throttled."""
        budget = self._nodes.get(node)
        return 1.0 if budget is None else budget.rate(now)

    def restore(self, usage: Iterable[Usage]) -> None:
        """Count what former processes released, also in windows not announced yet."""
        for one in usage:
            self._former.setdefault(one.node, []).append(one)
        for node in list(self._former):
            if self.budgets.of(node.level) or node in self._nodes:
                self._restore(node, self._budget(node))

    def changed(self) -> tuple[Usage, ...]:
        """The buckets of counted windows that grew since the last call."""
        nodes, self._changed = self._changed, {}
        return tuple(
            Usage(node, per, start, used)
            for node in nodes
            if node in self._nodes
            for per, start, used in self._nodes[node].changed()
        )

    def close(self, closure: Closure) -> None:
        """Close a node; of one kind the newer word counts."""
        self.closures.close(closure)

    def open(self, node: Node, kind: ClosureKind) -> bool:
        """Open what was closed for this reason; False where it was not."""
        return self.closures.open(node, kind)

    def _budget(self, node: Node) -> NodeBudget:
        budget = self._nodes.get(node)
        if budget is None:
            budget = self._nodes[node] = NodeBudget(self.budgets.of(node.level))
            self._restore(node, budget)
            if node.level not in OF_ONE_ACCOUNT:
                return budget
            # Looked at when it next may be idle, which is not before anything was released.
            heapq.heappush(self._idle, (datetime.min.replace(tzinfo=UTC), next(self._order), node))
        return budget

    def _restore(self, node: Node, budget: NodeBudget) -> None:
        for one in self._former.pop(node, ()):
            if not budget.restore(one.window, one.bucket_start, one.count):
                self._former.setdefault(node, []).append(one)

    def _forget_idle(self, now: datetime) -> None:
        while self._idle and self._idle[0][0] <= now:
            _, _, node = heapq.heappop(self._idle)
            idle_at = self._nodes[node].idle_at()
            if idle_at is not None and idle_at <= now:
                del self._nodes[node]
            else:
                again = now + timedelta(seconds=1) if idle_at is None else idle_at
                heapq.heappush(self._idle, (max(again, now), next(self._order), node))
