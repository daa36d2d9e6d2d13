"""Life and death of actors."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ActorStarted:
    """An actor runs; to the supervisor."""

    name: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class ActorFailed:
    """An actor died of an exception; to the supervisor."""

    name: str
    incarnation: int
    error: str


@dataclass(frozen=True, slots=True)
class ActorStopped:
    """An actor stopped because it was told to; to the supervisor."""

    name: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class RestartDue:
    """The backoff before an actor's restart is over; supervisor to itself."""

    name: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class ActorRestarted:
    """An actor began anew and forgot what it was asked; ask again. From the supervisor."""

    name: str


@dataclass(frozen=True, slots=True)
class CheckChildren:
    """Look for actors that died without a word, and for dead nodes; supervisor to itself."""


@dataclass(frozen=True, slots=True)
class Drain:
    """Take nothing new; end what runs until the deadline, then hand it back."""

    deadline: datetime


@dataclass(frozen=True, slots=True)
class DrainDeadline:
    """The time to end what runs is over."""


@dataclass(frozen=True, slots=True)
class Drained:
    """The actor has nothing left to do; to the supervisor."""

    name: str
