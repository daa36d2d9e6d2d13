"""How well the paced budgets are used while a call waits for them.

A *stretch* is a time in which, at every moment, some call waited at a node of the budgets for
nothing but its pace. Each release takes the node for ``per / count``, longer by the jitter that was
drawn for it, and for more where the node's rate is lowered. The utilisation of a node is the part
of its stretches that releases within them take; of no stretch more than all of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runtime.budgets import BudgetTree, Limit
from runtime.call_queue import CallQueue, Turn
from runtime.closures import Level, Node

ZERO = timedelta(0)


@dataclass(slots=True)
class Use:
    """The stretches of one node.

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


class Watch:
    """Sees at which nodes calls wait."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.uses: dict[Node, Use] = {}

    def queue(
        self, marketplace: str, tree: BudgetTree, places: int, draw: Callable[[], float]
    ) -> CallQueue[Any]:
        """A queue that is watched."""
        return _WatchedQueue(self, marketplace, tree, places, draw)

    def of_level(self, marketplace: str, level: Level) -> Use:
        """The stretches of all nodes of one level together."""
        total = Use()
        for node, use in self.uses.items():
            if (node.marketplace, node.level) == (marketplace, level):
                total.waited += use.waited
                total.used += use.used
                total.releases += use.releases
        return total


class _WatchedQueue(CallQueue[Any]):
    def __init__(
        self,
        watch: Watch,
        marketplace: str,
        tree: BudgetTree,
        places: int,
        draw: Callable[[], float],
    ) -> None:
        super().__init__(marketplace, tree, places, self._noted)
        self._watch = watch
        self._drawn_from = draw
        self._drawn = 0.0
        self._paced: dict[Node, Use] = {}

    def _noted(self) -> float:
        self._drawn = self._drawn_from()
        return self._drawn

    def take(self, now: datetime) -> Turn[Any]:
        turn = super().take(now)
        for node in [node for node in self._paced if node not in self._waiting]:
            self._paced.pop(node).goes(now)
        return turn

    def _await(self, node: Node, now: datetime) -> None:
        super()._await(node, now)
        blocked = self._tree.blocked_at(node, now)
        if blocked is not None and blocked.is_pace and self._limits(node):
            use = self._paced[node] = self._use(node)
            use.waits(now)
        elif node in self._paced:
            self._paced.pop(node).goes(now)

    def _release(self, stream: Any, now: datetime, turn: Turn[Any]) -> Any:
        uses = [(node, self._use(node)) for node in stream.nodes if self._limits(node)]
        for _, use in uses:
            use.release()
        again = super()._release(stream, now, turn)
        for node, use in uses:
            pace = max(one.per / one.count for one in self._limits(node))
            jitter = self._tree.budgets.jitter * self._drawn
            use.owed = pace / self._tree.rate(node, now)
            use.owed += jitter if node.level is Level.SHOP else ZERO
        return again

    def _use(self, node: Node) -> Use:
        return self._watch.uses.setdefault(node, Use())

    def _limits(self, node: Node) -> list[Limit]:
        return [one for one in self._tree.budgets.of(node.level) if one.is_paced]
