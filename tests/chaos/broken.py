"""Builds of the service that lack one of the things that keep a write from happening twice.

Each is made by changing the running process; the product has no switch for any of it.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from actors.dispatch import Dispatcher
from actors.lane_run import LaneCall
from runtime import messages
from runtime.http.transport import HttpTransport
from runtime.runs.calls import AwaitQuiet
from runtime.runs.step_notes import StepNotes
from runtime.storage.queue import journal_rows, settlements


def without_fence() -> None:
    """Every writer for a run is believed to own its job."""
    for module, names, condition in (
        (journal_rows, ("_INTEND", "_RECORD"), " AND job.fence = entry.fence"),
        (settlements, ("_SETTLE",), " AND job.fence = ended.fence"),
    ):
        for name in names:
            sound = str(getattr(module, name))
            assert condition in sound
            setattr(module, name, text(sound.replace(condition, "")))


def without_intent() -> None:
    """A write leaves without a word in the journal."""
    sound = Dispatcher._record

    def record(self: Dispatcher, call: LaneCall, entry: Any) -> None:
        run = self._find_run(call.ticket)
        if run is not None and isinstance(entry, messages.RecordIntent):
            self._leave(run, call)
        else:
            sound(self, call, entry)

    Dispatcher._record = record  # type: ignore[method-assign]


def without_settles_within() -> None:
    """A write that cannot be seen at once is taken not to have happened."""
    sound = StepNotes.quiet_at

    def quiet_at(self: StepNotes, call: AwaitQuiet, now: datetime) -> datetime:
        return now if call.settled else sound(self, call, now)

    StepNotes.quiet_at = quiet_at  # type: ignore[method-assign]


def without_not_after() -> None:
    """A write leaves however late it is."""
    sound = HttpTransport.perform

    def perform(
        self: HttpTransport, marketplace: str, call: Any, timeout: timedelta, *_: object
    ) -> Any:
        return sound(self, marketplace, call, timeout)

    HttpTransport.perform = perform  # type: ignore[method-assign,assignment]


BROKEN = {
    "fence": without_fence,
    "intent": without_intent,
    "settles_within": without_settles_within,
    "not_after": without_not_after,
}
