"""What a run knows of its steps beside their journal. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from runtime.runs.calls import AwaitQuiet, HttpCall, RecordStep, WebSocketCall
from runtime.runs.execution import Perform
from runtime.runs.journal import RecordedStep


@dataclass(frozen=True, slots=True)
class Quiet:
    """When the writes of a step can do nothing any more.

    Attributes:
        leaving: until then one of them may still leave.
        settling: until then one that left may still take effect.
    """

    leaving: datetime
    settling: datetime


class StepNotes:
    """When the steps of one run began, how they are carried out, and when they are quiet.

    Args:
        journal: the steps that former runs have recorded; what they left open counts from now.

    Attributes:
        quiet: when the open writes of each step can do nothing any more, by the step's name.
        task_types: how each step that intended a write is carried out, by the step's name.
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
        """A step asks for a call; those steps that it is part of have begun with it."""
        if effect.step is None:
            return
        if effect.within is not None:
            self._within[effect.step] = effect.within
        if isinstance(effect.call, RecordStep):
            return
        step: str | None = effect.step
        while step is not None:
            self._began_at.setdefault(step, now)
            step = self._within.get(step)

    def took(self, step: str, now: datetime) -> timedelta:
        """How long a step took that is over; it is forgotten that it began."""
        return now - self._began_at.pop(step, now)

    def intends(self, step: str, call: WebSocketCall | HttpCall) -> None:
        """A write of the step is about to leave."""
        self.task_types[step] = call.task_type

    def write_answered(self, step: str, call: WebSocketCall | HttpCall, now: datetime) -> None:
        """A write has its outcome, so it left before now, whatever it waited for until then."""
        settling = now + call.settles_within
        known = self.quiet.get(step)
        # Of several writes of one step the one that settles last counts.
        self.quiet[step] = Quiet(now, max(settling, known.settling) if known else settling)

    def quiet_at(self, call: AwaitQuiet, now: datetime) -> datetime:
        """When the wait is over that the call asks for; ``now`` or earlier: it is over already."""
        quiet = self.quiet.get(call.name)
        if quiet is None:
            return now
        return quiet.settling if call.settled else quiet.leaving
