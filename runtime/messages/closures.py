"""Messages that carry closures between the database and the actors that obey them."""

from dataclasses import dataclass

from runtime.messages.recording import RecordClosure, RecordOpening
from runtime.rate_limits.closures import Closure, Scope


@dataclass(frozen=True, slots=True)
class ClosuresChanged:
    """Somebody closed or opened a scope of this marketplace; the listener tells the supervisor."""

    marketplace: str


@dataclass(frozen=True, slots=True)
class LoadClosures:
    """The recorder is to read the closures of a marketplace, after it has written its queue.

    Only the recorder writes the closures of actors, so its reading is never older than its
    acknowledgements, and no reload opens a scope that was closed a moment ago. The answer is
    :class:`ClosuresLoaded`.
    """

    reply_to: str
    marketplace: str


@dataclass(frozen=True, slots=True)
class ClosuresLoaded:
    """All closures of a marketplace, as the database has them; every other scope is open."""

    closures: tuple[Closure, ...]


@dataclass(frozen=True, slots=True)
class ClosureRecorded:
    """A closure or an opening is committed; the actor of the scope's marketplace gets this."""

    # The whole entry comes back: only if it is still the last word on its scope does the actor take
    # it for settled.
    entry: RecordClosure | RecordOpening


@dataclass(frozen=True, slots=True)
class ClosureOver:
    """The time of a closure is over; a marketplace actor tells itself."""

    scope: Scope
