"""The tree of rate limits of a marketplace: marketplace, app key, shop, action."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from runtime.errors import BudgetClosed
from runtime.rate_limits.closures import Closure, ClosureKind, Closures, Level, Scope
from runtime.rate_limits.limits import Budgets, Limit
from runtime.rate_limits.scope_budget import ScopeBudget
from runtime.rate_limits.usage import Usage

Path = Sequence[Scope]
OF_ONE_ACCOUNT = frozenset({Level.SHOP, Level.ACTION})
ANNOUNCED_FOR = timedelta(days=1)
"""The time for which an announced limit is remembered of a scope that nobody uses."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """The scope that blocks a call for longest.

    Attributes:
        until: the time when the scope lets the call go; None if somebody has to open it.
        reason: the words that a person reads.
        is_pace: whether the scope only spreads its calls over time.
        is_closure: whether the scope is closed; if it is neither paced nor closed, its quota is
            used up.
    """

    scope: Scope
    until: datetime | None
    reason: str
    is_pace: bool = False
    is_closure: bool = False

    def closed(self, *, is_closure: bool) -> BudgetClosed:
        """Return the error of a call that does not wait until the scope opens.

        Args:
            is_closure: whether the scope is closed, by a closure or by a quota that is used up.
                Either closes the lanes below the scope, except at the level of an action, whose
                lane goes on with other actions.
        """
        # A quota that is used up counts as closed: if only its calls were rejected, every waiting
        # job would be claimed once, only to be handed back.
        holds_lanes = is_closure and self.scope.level is not Level.ACTION
        return BudgetClosed(str(self.scope), self.reason, self.until, holds_lanes=holds_lanes)

    def outlasts(self, other: "Blocked | None") -> bool:
        """Return whether this scope blocks for longer than the other one."""
        if other is None or other.until is None:
            return other is None
        return self.until is None or self.until > other.until


class BudgetTree:
    """Keeps the usage and the closures of one marketplace, and says when a call may leave.

    Attributes:
        closures: the closed scopes. A caller that changes them tells the queue.
    """

    def __init__(self, budgets: Budgets) -> None:
        self.budgets = budgets
        self.closures = Closures()
        self._scopes: dict[Scope, ScopeBudget] = {}
        # Stored usage waits here for its window: limits that answers announce are not known yet.
        self._former: dict[Scope, list[Usage]] = {}
        self._changed: dict[Scope, None] = {}
        self._idle: list[tuple[datetime, int, Scope]] = []
        self._order = count()
        # Scopes of other levels have no limit and learn none, so that they cost no memory.
        watched = {level for level in Level if budgets.of(level)} | {budgets.speaks_of}
        self._watched = frozenset(watched | (OF_ONE_ACCOUNT if budgets.jitter else set()))

    def __len__(self) -> int:
        """Return the number of scopes that the tree remembers."""
        return len(self._scopes)

    def blocked(self, path: Path, now: datetime) -> Blocked | None:
        """Return what blocks a call of this path for longest, or None if it may go now."""
        worst: Blocked | None = None
        for scope in path:
            found = self.blocked_at(scope, now)
            if found is not None and found.outlasts(worst):
                worst = found
        return worst

    def blocked_at(self, scope: Scope, now: datetime) -> Blocked | None:
        """Return what blocks calls at this one scope, or None."""
        worst: Blocked | None = None
        for closure in self.closures.of((scope,), now):
            found = Blocked(scope, closure.until, closure.reason, is_closure=True)
            if found.outlasts(worst):
                worst = found
        budget = self._scopes.get(scope)
        if budget is None:
            return worst
        if (used_up := budget.used_up(now)) is not None:
            found = Blocked(scope, used_up[0], f"its limit of {used_up[1]} is used up")
            if found.outlasts(worst):
                worst = found
        if (paced_at := budget.paced_at(now)) > now:
            found = Blocked(scope, paced_at, "its pace", is_pace=True)
            if found.outlasts(worst):
                worst = found
        return worst

    def release(self, path: Path, now: datetime, gap: timedelta, draw: float = 0.0) -> None:
        """Count a call that leaves through every scope of this path.

        Args:
            gap: the least time until the next call of the same action of the same shop.
            draw: a random number, uniform in [0, 1), for the jitter.
        """
        jitter = self.budgets.jitter * draw
        for scope in path:
            is_action = scope.level is Level.ACTION
            if scope.level not in self._watched and not (is_action and gap):
                continue
            budget = self._budget(scope)
            budget.release(
                now,
                gap if is_action else timedelta(0),
                jitter if scope.level in OF_ONE_ACCOUNT else timedelta(0),
            )
            self._changed[scope] = None
        self._forget_idle(now)

    def left(self, path: Path, released_at: datetime, now: datetime) -> None:
        """Move a release to the time when the call really leaves, as the marketplace counts it."""
        for scope in path:
            budget = self._scopes.get(scope)
            if budget is not None:
                budget.left(released_at, now)
                self._changed[scope] = None

    def announce(
        self, scope: Scope, limit: Limit, remaining: int | None, unsure: int, now: datetime
    ) -> None:
        """Take over a scope's limit, and how much of it remains, as the marketplace says."""
        budget = self._budget(scope)
        budget.keep_to(limit)
        # With the scope its announced limit would be forgotten, and the next calls would go without
        # it.
        budget.remember(now + ANNOUNCED_FOR)
        self._restore(scope, budget)
        if remaining is not None:
            budget.remaining(limit, remaining, unsure, now)

    def throttle(self, scope: Scope, now: datetime, left_at: datetime) -> bool:
        """Learn that a call was refused without a reason; return whether this halved the rate."""
        return self._budget(scope).throttle(now, left_at)

    def rate(self, scope: Scope, now: datetime) -> float:
        """Return the share of its limits that a scope may use: 1, unless it was throttled."""
        budget = self._scopes.get(scope)
        return 1.0 if budget is None else budget.rate(now)

    def restore(self, usage: Iterable[Usage]) -> None:
        """Count releases of former processes, also in windows that are not announced yet."""
        for one in usage:
            self._former.setdefault(one.scope, []).append(one)
        for scope in list(self._former):
            if self.budgets.of(scope.level) or scope in self._scopes:
                self._restore(scope, self._budget(scope))

    def changed(self) -> tuple[Usage, ...]:
        """Return the buckets of counted windows that grew since the last call."""
        scopes, self._changed = self._changed, {}
        return tuple(
            Usage(scope, per, start, used)
            for scope in scopes
            # A scope that was forgotten since was idle, so that none of its buckets counts any
            # more.
            if scope in self._scopes
            for per, start, used in self._scopes[scope].changed()
        )

    def close(self, closure: Closure) -> None:
        """Close a scope; the closure replaces an older one of the same kind."""
        self.closures.close(closure)

    def open(self, scope: Scope, kind: ClosureKind) -> bool:
        """End the closure of that kind; returns whether there was one."""
        return self.closures.open(scope, kind)

    def _budget(self, scope: Scope) -> ScopeBudget:
        budget = self._scopes.get(scope)
        if budget is None:
            budget = self._scopes[scope] = ScopeBudget(self.budgets.of(scope.level))
            self._restore(scope, budget)
            if scope.level not in OF_ONE_ACCOUNT:
                return budget
            # Shops come and go by the thousand, so their scopes are forgotten when they are idle;
            # the few others stay. The first look comes at once, and finds out when to look again.
            heapq.heappush(self._idle, (datetime.min.replace(tzinfo=UTC), next(self._order), scope))
        return budget

    def _restore(self, scope: Scope, budget: ScopeBudget) -> None:
        for one in self._former.pop(scope, ()):
            if not budget.restore(one.window, one.bucket_start, one.count):
                self._former.setdefault(scope, []).append(one)

    def _forget_idle(self, now: datetime) -> None:
        while self._idle and self._idle[0][0] <= now:
            _, _, scope = heapq.heappop(self._idle)
            idle_at = self._scopes[scope].idle_at()
            if idle_at is not None and idle_at <= now:
                del self._scopes[scope]
            else:
                again = now + timedelta(seconds=1) if idle_at is None else idle_at
                heapq.heappush(self._idle, (max(again, now), next(self._order), scope))
