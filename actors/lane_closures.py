"""The closures of one marketplace: which lanes they keep from claims, and what is unwritten."""

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
"""A closure no longer than this costs less than claiming anew; calls wait for it instead."""


class LaneClosures:
    """Keeps the jobs of closed shops unclaimed, and finds their lanes again afterwards.

    Closures of one action leave the lane open: its other actions go on.

    Args:
        actor: name of the marketplace actor.
        tell: sends a message to an actor.

    Attributes:
        loaded: it is known what the database has; before, nothing may be claimed.
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
        """Ask the recorder what is closed; tell it again what it has not acknowledged."""
        for entry in self._unwritten.values():
            self._tell(messages.RECORDER, entry)
        wanted = messages.LoadClosures(self._actor, self._marketplace)
        self._tell(messages.RECORDER, wanted)

    def make_known(self, changes: Changes) -> None:
        """Heed what answers closed and opened, and have it written down."""
        # Of a scope that was opened to be closed until another time, the closure is the last word.
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
        """The recorder committed it; a newer word may be on its way."""
        if self._unwritten.get(entry.key) is entry:
            del self._unwritten[entry.key]

    def load(self, closures: tuple[Closure, ...]) -> tuple[Closure, ...]:
        """Take over what the database has; returns it with what is not written yet."""
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
        """The time of a closure ended."""
        self._refresh(scope)

    def _record(self, entry: RecordClosure | RecordOpening) -> None:
        self._unwritten[entry.key] = entry
        self._tell(messages.RECORDER, entry)

    def _close(self, closure: Closure) -> None:
        self._known[closure.key] = closure
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
    if closure.scope.level is Level.ACTION:
        return False
    return closure.until is None or closure.until - closure.since > SHORT
