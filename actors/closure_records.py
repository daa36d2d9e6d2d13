"""The recorder's part in closures: it writes them, and reads them for whoever asks."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog

from runtime import messages
from runtime.errors import DatabaseRefused, LockHeld
from runtime.messages import ClosureRecorded, ClosuresLoaded, RecordClosure, RecordOpening
from runtime.process.clock import Clock, moved
from runtime.rate_limits.closures import Closure, ClosureKind, Scope
from runtime.storage.queue import closure_rows
from runtime.storage.server.engine import Database, database_errors
from runtime.storage.server.locks import bounded_lock_waits
from runtime.storage.server.value_errors import mapped_value_errors

Entry = RecordClosure | RecordOpening

LOCK_WAIT_SECONDS = 0.02
"""An application that holds the row of a closure must not hold up what the recorder still has to
write. The closure stays and is tried again."""

log = structlog.get_logger(__name__)


class ClosureRecords:
    """Keeps closures and openings until they are committed, and answers loads behind them.

    Of each scope and kind only the last word counts, however many gather. The order of the words
    about one scope is therefore kept, whatever is held up.

    Args:
        clock: the clock that the moments of closures are from. They are stored as moments of the
            database's clock, and are read as such.
        tell: sends a message to an actor.
    """

    def __init__(self, database: Database, clock: Clock, tell: Callable[[str, Any], None]) -> None:
        self._database = database
        self._clock = clock
        self._tell = tell
        self._entries: dict[tuple[Scope, ClosureKind], Entry] = {}
        self._loads: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._entries or self._loads)

    def note(self, message: Entry | messages.LoadClosures) -> None:
        """Keep the message until :meth:`flush`."""
        if isinstance(message, messages.LoadClosures):
            # Several loads of one actor are answered by one reading.
            self._loads[message.reply_to] = message.marketplace
        else:
            self._entries[message.key] = message

    def flush(self) -> bool:
        """Write all entries, then answer the loads; returns whether every entry was written.

        Raises:
            DatabaseUnavailable: the entries that are not written are kept.
        """
        if self._entries:
            self._write(list(self._entries.values()))
        # Loads come behind the writes, so that a load never opens what was closed a moment ago.
        for reply_to, marketplace in list(self._loads.items()):
            with database_errors(), self._database.session() as session:
                found = closure_rows.closures_of(session, [marketplace])
            loaded = tuple(_moved(one, self._clock.lead) for one in found)
            del self._loads[reply_to]
            self._tell(reply_to, ClosuresLoaded(loaded))
        return not self._entries

    def _write(self, entries: list[Entry]) -> None:
        """Halve a group that is refused or held up until the offender stands alone."""
        try:
            self._commit(entries)
        except (DatabaseRefused, LockHeld) as error:
            if len(entries) > 1:
                middle = len(entries) // 2
                self._write(entries[:middle])
                self._write(entries[middle:])
                return
            if isinstance(error, LockHeld):
                return
            log.error("closure refused", scope=str(entries[0].key[0]), reason=str(error))
        # A refused entry is acknowledged, too, or its actor would have it written again for ever.
        for entry in entries:
            del self._entries[entry.key]
            marketplace = entry.key[0].marketplace
            self._tell(messages.marketplace_actor(marketplace), ClosureRecorded(entry))

    def _commit(self, entries: list[Entry]) -> None:
        lead = self._clock.lead
        closed = [_moved(one.closure, -lead) for one in entries if isinstance(one, RecordClosure)]
        opened = [(one.scope, one.kind) for one in entries if isinstance(one, RecordOpening)]
        with (
            mapped_value_errors(),
            self._database.transaction("close") as session,
            bounded_lock_waits(session, "a closure", LOCK_WAIT_SECONDS),
        ):
            if closed:
                closure_rows.close_scopes(session, closed)
            if opened:
                closure_rows.open_scopes(session, opened)


def _moved(closure: Closure, by: timedelta) -> Closure:
    until = None if closure.until is None else moved(closure.until, by)
    return replace(closure, since=moved(closure.since, by), until=until)
