"""What is closed, on its way between the database and those who obey it."""

from dataclasses import dataclass

from runtime.messages.recording import RecordClosure, RecordOpening
from runtime.rate_limits.closures import Closure, Scope


@dataclass(frozen=True, slots=True)
class ClosuresChanged:
    """Somebody closed or opened a scope of this marketplace; listener to supervisor."""

    marketplace: str


@dataclass(frozen=True, slots=True)
class LoadClosures:
    """Read the closures of a marketplace, behind those that are still to be written.

    To the recorder; it alone writes what actors close, so what it reads is never older than
    what it acknowledged. Answered with :class:`ClosuresLoaded`.
    """

    reply_to: str
    marketplace: str


@dataclass(frozen=True, slots=True)
class ClosuresLoaded:
    """All closures of a marketplace, as the database has them; what is missing is open."""

    closures: tuple[Closure, ...]


@dataclass(frozen=True, slots=True)
class ClosureRecorded:
    """It is committed; to the actor of the scope's marketplace."""

    entry: RecordClosure | RecordOpening


@dataclass(frozen=True, slots=True)
class ClosureOver:
    """The time of a closure ended; marketplace actor to itself."""

    scope: Scope
