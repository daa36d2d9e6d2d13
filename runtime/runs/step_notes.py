"""The notes of a run about its steps, beside their journal. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from runtime.runs.calls import AwaitQuiet, HttpCall, RecordStep, WebSocketCall
from runtime.runs.execution import Perform
from runtime.runs.journal import RecordedStep


@dataclass(frozen=True, slots=True)
class Quiet:
    """The times until which the writes of a step can still do something.

    Attributes:
        leaving: the time until which a write of the step may still leave.
        settling: the time until which a write that left may still take effect.
    """

    leaving: datetime
    settling: datetime


class StepNotes:
    """Notes when the steps of one run began, how they are carried out, and when they are quiet.

    Args:
        journal: the steps that former runs have recorded. The database tells the times of open
            steps as durations from now, because only its clock decides what is due.

    Attributes:
        quiet: the times until which the writes of an open step can do something, by its name.
        task_types: the way in which each step with a write is carried out, by its name.
    """

    def __init__(self, journal: Iterable[RecordedStep], now: datetime) -> None:
        self.quiet = {
            step.name: Quiet(now + step.quiet_in, now + step.settled_in)
            for step in journal
            if step.is_open
        }
        self.task_types: dict[str, str] = {}
        self._within: dict[str, str] = {}
        self._began_at: dict[str, datetime] = {}

    def asked(self, effect: Perform, now: datetime) -> None:
        """Note that a step asks for a call; the steps around it have begun, too."""
        if effect.step is None:
            return
        if effect.within is not None:
            self._within[effect.step] = effect.within
        # The record is written at the end of a step, and does not begin it.
        if isinstance(effect.call, RecordStep):
            return
        step: str | None = effect.step
        while step is not None:
            # Only the first call counts: a step that makes several began with that.
            self._began_at.setdefault(step, now)
            step = self._within.get(step)

    def took(self, step: str, now: datetime) -> timedelta:
        """Return how long a step took that is over, and forget when it began."""
        return now - self._began_at.pop(step, now)

    def intends(self, step: str, call: WebSocketCall | HttpCall) -> None:
        """Note that a write of the step is about to leave."""
        self.task_types[step] = call.task_type

    def write_answered(self, step: str, call: WebSocketCall | HttpCall, now: datetime) -> None:
        """Note that a write has its outcome, so it left before now and cannot leave any more."""
        settling = now + call.settles_within
        known = self.quiet.get(step)
        # Of several writes of one step, the write that settles last counts.
        self.quiet[step] = Quiet(now, max(settling, known.settling) if known else settling)

    def quiet_at(self, call: AwaitQuiet, now: datetime) -> datetime:
        """Return when the wait is over that the call asks for; a past time if it is over."""
        quiet = self.quiet.get(call.name)
        if quiet is None:
            return now
        return quiet.settling if call.settled else quiet.leaving
