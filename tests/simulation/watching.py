"""How well the paced budgets are used while a call waits for them.

A *stretch* is a time in which, at every moment, some call waited at a scope of the budgets for
nothing but its pace. Each release takes the scope for ``per / count``, longer by the jitter that
was drawn for it, and for more where the scope's rate is lowered. The utilisation of a scope is
the part of its stretches that releases within them take; of no stretch more than all of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runtime.rate_limits import BudgetTree, Limit
from runtime.rate_limits.call_queue import CallQueue, Taken
from runtime.rate_limits.closures import Level, Scope

ZERO = timedelta(0)


@dataclass(slots=True)
class Use:
    """The stretches of one scope.

    Attributes:
        since: when the stretch began that goes on.
        taken: by the releases of that stretch.
        owed: what the last release takes, which counts when the next one comes.
    """

    since: datetime | None = None
    taken: timedelta = ZERO
    owed: timedelta = ZERO
    waited: timedelta = ZERO
    used: timedelta = ZERO
    releases: int = 0

    def waits(self, now: datetime) -> None:
        """A call waits for its pace."""
        if self.since is None:
            self.since, self.taken = now, ZERO

    def goes(self, now: datetime) -> None:
        """None waits any more."""
        if self.since is not None:
            self.waited += now - self.since
            self.used += min(self.taken, now - self.since)
            self.since = None

    def release(self) -> None:
        """A call goes, which had waited while the release before it took its time."""
        if self.since is not None:
            self.taken += self.owed
            self.releases += 1


class PaceWatch:
    """Sees at which scopes calls wait."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.uses: dict[Scope, Use] = {}

    def queue(
        self, marketplace: str, tree: BudgetTree, places: int, draw: Callable[[], float]
    ) -> CallQueue[Any]:
        """A queue that is watched."""
        return _WatchedQueue(self, marketplace, tree, places, draw)

    def of_level(self, marketplace: str, level: Level) -> Use:
        """The stretches of all scopes of one level together."""
        total = Use()
        for scope, use in self.uses.items():
            if (scope.marketplace, scope.level) == (marketplace, level):
                total.waited += use.waited
                total.used += use.used
                total.releases += use.releases
        return total


class _WatchedQueue(CallQueue[Any]):
    def __init__(
        self,
        watch: PaceWatch,
        marketplace: str,
        tree: BudgetTree,
        places: int,
        draw: Callable[[], float],
    ) -> None:
        super().__init__(marketplace, tree, places, self._noted)
        self._watch = watch
        self._drawn_from = draw
        self._drawn = 0.0
        self._paced: dict[Scope, Use] = {}

    def _noted(self) -> float:
        self._drawn = self._drawn_from()
        return self._drawn

    def take(self, now: datetime) -> Taken[Any]:
        taken = super().take(now)
        for scope in [scope for scope in self._paced if scope not in self._scopes]:
            self._paced.pop(scope).goes(now)
        return taken

    def _await(self, scope: Scope, now: datetime) -> None:
        super()._await(scope, now)
        blocked = self._tree.blocked_at(scope, now)
        if blocked is not None and blocked.is_pace and self._limits(scope):
            use = self._paced[scope] = self._use(scope)
            use.waits(now)
        elif scope in self._paced:
            self._paced.pop(scope).goes(now)

    def _release(self, stream: Any, now: datetime, taken: Taken[Any]) -> None:
        uses = [(scope, self._use(scope)) for scope in stream.scopes if self._limits(scope)]
        for _, use in uses:
            use.release()
        super()._release(stream, now, taken)
        for scope, use in uses:
            pace = max(one.per / one.count for one in self._limits(scope))
            jitter = self._tree.budgets.jitter * self._drawn
            use.owed = pace / self._tree.rate(scope, now)
            use.owed += jitter if scope.level is Level.SHOP else ZERO

    def _use(self, scope: Scope) -> Use:
        return self._watch.uses.setdefault(scope, Use())

    def _limits(self, scope: Scope) -> list[Limit]:
        return [one for one in self._tree.budgets.of(scope.level) if one.is_paced]
