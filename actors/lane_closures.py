"""The closures of one marketplace: they keep lanes from claims until they are opened.

A closure that an answer brought is heeded at once and written by the recorder afterwards. Until the
recorder has acknowledged it, it counts on top of whatever is loaded from the database.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog

from actors.lanes import Lanes
from runtime import messages
from runtime.answers.limit_keeper import Changes
from runtime.messages import RecordClosure, RecordOpening
from runtime.process.clock import Clock
from runtime.rate_limits.closures import Closure, ClosureKind, Closures, Level, Scope

log = structlog.get_logger(__name__)

SHORT = timedelta(seconds=1)
"""For a closure that is not longer than this, calls wait: this costs less than to claim anew."""


class LaneClosures:
    """Keeps the jobs of closed shops unclaimed, and finds their lanes again afterwards.

    Closures of one action leave the lane open: its other actions go on.

    Args:
        actor: the name of the marketplace actor.
        tell: sends a message to an actor.

    Attributes:
        loaded: whether the closures of the database are known. Before that nothing may be claimed,
            because a restart must forget no pause.
    """

    def __init__(
        self,
        actor: str,
        marketplace: str,
        lanes: Lanes,
        clock: Clock,
        tell: Callable[[str, Any], None],
    ) -> None:
        self._actor = actor
        self._marketplace = marketplace
        self._lanes = lanes
        self._clock = clock
        self._tell = tell
        self._closures = Closures()
        self._known: dict[tuple[Scope, ClosureKind], Closure] = {}
        self._unwritten: dict[tuple[Scope, ClosureKind], RecordClosure | RecordOpening] = {}
        self.loaded = False

    def ask(self) -> None:
        """Tell the recorder again what it has not acknowledged, and ask it what is closed.

        The order matters: the recorder's answer then includes what it was told again.
        """
        for entry in self._unwritten.values():
            self._tell(messages.RECORDER, entry)
        wanted = messages.LoadClosures(self._actor, self._marketplace)
        self._tell(messages.RECORDER, wanted)

    def make_known(self, changes: Changes) -> None:
        """Heed the changes that answers brought, and have them written down."""
        # Openings come first: a scope may be opened only to be closed until another time, and then
        # the closure has to be the last word.
        for scope, kind in changes.opened:
            log.info("budget opened", scope=str(scope), kind=kind.value)
            self._record(RecordOpening(scope, kind))
            self._open((scope, kind))
        for closure in changes.closed:
            log.warning(
                "budget closed",
                scope=str(closure.scope),
                reason=closure.reason,
                until=closure.until and closure.until.isoformat(),
            )
            self._record(RecordClosure(closure))
            self._close(closure)

    def recorded(self, entry: RecordClosure | RecordOpening) -> None:
        """Forget an entry that the recorder committed."""
        # A newer entry with the same key may be on its way; it is not acknowledged yet.
        if self._unwritten.get(entry.key) is entry:
            del self._unwritten[entry.key]

    def load(self, closures: tuple[Closure, ...]) -> tuple[Closure, ...]:
        """Take over the closures of the database.

        Returns:
            These closures, changed by the entries that are not written yet.
        """
        self.loaded = True
        wanted = {one.key: one for one in closures}
        for key, entry in self._unwritten.items():
            wanted.pop(key, None)
            if isinstance(entry, RecordClosure):
                wanted[key] = entry.closure
        for key in self._known.keys() - wanted.keys():
            self._open(key)
        for key, closure in wanted.items():
            if self._known.get(key) != closure:
                self._close(closure)
        return tuple(wanted.values())

    def over(self, scope: Scope) -> None:
        """Look again at a scope, because the time of one of its closures is over."""
        self._refresh(scope)

    def _record(self, entry: RecordClosure | RecordOpening) -> None:
        self._unwritten[entry.key] = entry
        self._tell(messages.RECORDER, entry)

    def _close(self, closure: Closure) -> None:
        self._known[closure.key] = closure
        # A shorter closure under the same key may replace a longer one, whose end then has to be
        # forgotten.
        if not _keeps_from_claims(closure):
            self._forget(closure.key)
            return
        self._closures.close(closure)
        if closure.until is not None:
            over = messages.ClosureOver(closure.scope)
            self._clock.call_at(closure.until, self._actor, over)
        self._refresh(closure.scope)

    def _open(self, key: tuple[Scope, ClosureKind]) -> None:
        self._known.pop(key, None)
        self._forget(key)

    def _forget(self, key: tuple[Scope, ClosureKind]) -> None:
        if self._closures.open(*key):
            self._refresh(key[0])

    def _refresh(self, scope: Scope) -> None:
        closed = any(self._closures.of([scope], self._clock.now()))
        if scope.level is Level.SHOP and scope.shop_id is not None:
            self._lanes.shop_closed(scope.shop_id, closed)
        else:
            self._lanes.marketplace_closed(scope, closed)


def _keeps_from_claims(closure: Closure) -> bool:
    # The claim cannot name actions, and the lane's other actions would wait without a reason.
    if closure.scope.level is Level.ACTION:
        return False
    return closure.until is None or closure.until - closure.since > SHORT
