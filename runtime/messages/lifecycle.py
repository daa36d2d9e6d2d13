"""Messages on the start, failure, restart and stop of actors."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ActorStarted:
    """An actor runs, as it tells the supervisor."""

    name: str
    # An actor that was restarted has the same name. The number tells whether a report is about the
    # present one or comes late from one before.
    incarnation: int


@dataclass(frozen=True, slots=True)
class ActorFailed:
    """An actor died of an exception, as it tells the supervisor."""

    name: str
    incarnation: int
    error: str


@dataclass(frozen=True, slots=True)
class ActorStopped:
    """An actor stopped because it was told to, as it tells the supervisor."""

    name: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class RestartDue:
    """The backoff before an actor's restart is over; the supervisor tells itself."""

    name: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class ActorRestarted:
    """An actor began anew and forgot its requests; the supervisor tells the others to ask again."""

    name: str


@dataclass(frozen=True, slots=True)
class CheckChildren:
    """The supervisor tells itself to look for actors and nodes that died without a word."""


@dataclass(frozen=True, slots=True)
class Drain:
    """The actor is to take no new work, and to hand back the runs that the deadline interrupts."""

    # A time and not a duration: every actor that hears of it, whenever that is, ends at the same
    # moment.
    deadline: datetime


@dataclass(frozen=True, slots=True)
class DrainDeadline:
    """The time for running jobs to end is over."""


@dataclass(frozen=True, slots=True)
class Drained:
    """The actor has no more work, as it tells the supervisor."""

    name: str
