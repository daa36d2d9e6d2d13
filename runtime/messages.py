"""Every message between actors. Frozen: nobody changes what another one reads.

Mailboxes hold hints; the database holds the truth. Whoever needs an answer sends again until
it gets one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runtime.calls import HttpCall, Outcome, RecordStep
from runtime.job import Job
from runtime.retry import Settlement

SUPERVISOR = "supervisor"
BRIDGE = "bridge"
HTTP = "http"
RECORDER = "recorder"


def marketplace_actor(marketplace: str) -> str:
    """The name of the actor of a marketplace."""
    return f"marketplace:{marketplace}"


# --- life and death of actors -------------------------------------------------------------


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


# --- jobs on their way in -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LaneShop:
    """A shop that has pending jobs."""

    shop_id: int
    user_id: int


@dataclass(frozen=True, slots=True)
class JobsAnnounced:
    """New jobs may be there for these shops; listener to supervisor."""

    marketplace: str
    shops: tuple[LaneShop, ...]


@dataclass(frozen=True, slots=True)
class ListeningAgain:
    """Announcements may have been missed; look at the tables."""


@dataclass(frozen=True, slots=True)
class Poll:
    """Look for lanes with work that no announcement told of; supervisor to itself."""


@dataclass(frozen=True, slots=True)
class LanesFound:
    """These shops have, or may have, jobs that are due."""

    shops: tuple[LaneShop, ...]


@dataclass(frozen=True, slots=True)
class LaneDue:
    """A lane's next job falls due; marketplace actor to itself."""

    lane: int


@dataclass(frozen=True, slots=True)
class LaneRequest:
    """A lane with room for ``room`` more jobs, and the shops it serves."""

    lane: int
    shop_ids: tuple[int, ...]
    room: int


@dataclass(frozen=True, slots=True)
class ClaimRequested:
    """Claim up to ``limit`` jobs for these lanes; marketplace actor to supervisor."""

    marketplace: str
    sequence: int
    lanes: tuple[LaneRequest, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class JobsClaimed:
    """The answer to a request.

    Attributes:
        exhausted: lanes whose due jobs are all claimed, with the time until their next
            pending job falls due (None: they have none).
    """

    sequence: int
    jobs: tuple[Job, ...]
    exhausted: tuple[tuple[int, timedelta | None], ...]


@dataclass(frozen=True, slots=True)
class ClaimInDoubt:
    """The database went away while these jobs were claimed; supervisor to itself.

    Attributes:
        jobs: claimed, if the claim was committed.
    """

    marketplace: str
    sequence: int
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class ClaimFailed:
    """The database could not be asked; lanes will be found again."""

    sequence: int


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody asked to cancel this job."""

    job_id: int


# --- calls and outcomes -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallTicket:
    """Names one call of one run; returned with its outcome.

    Attributes:
        reply_to: name of the actor that asked.
    """

    reply_to: str
    job_id: int
    fence: int
    call_id: int


@dataclass(frozen=True, slots=True)
class CallSettled:
    """The outcome of a call, to the actor that asked."""

    ticket: CallTicket
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class CallsReleased:
    """A pace allows the next call of this lane; marketplace actor to itself."""

    lane: int


@dataclass(frozen=True, slots=True)
class CancellationOverdue:
    """A cancelled run had its time for ``finally``; marketplace actor to itself."""

    job_id: int
    fence: int


@dataclass(frozen=True, slots=True)
class BrowserRequest:
    """A command for a seller's browser; marketplace actor to bridge.

    Attributes:
        request_id: unguessable, used once.
        repeated: the bridge may have had it before and forgotten; it must not be sent again
            to a browser that has no memory of it.
        not_after: a write must not leave later: whoever takes the job over looks from then on.
    """

    ticket: CallTicket
    request_id: str
    user_id: int
    action: str
    payload: dict[str, Any]
    timeout: timedelta
    writes: bool
    repeated: bool = False
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class BrowserRequestWithdrawn:
    """Nobody waits for the response any more."""

    request_id: str


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request for a marketplace's API; marketplace actor to HTTP actor."""

    ticket: CallTicket
    marketplace: str
    call: HttpCall
    timeout: timedelta
    not_after: datetime | None = None


# --- the bridge ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SocketConnected:
    """An authenticated socket is there.

    Attributes:
        resume: the client remembers commands and answers a repeated one from memory.
        client_id: names that memory; two browsers of one seller have two.
        expires_at: when its token ends.
    """

    sid: str
    user_id: int
    resume: bool
    client_id: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SocketDisconnected:
    """A socket is gone."""

    sid: str


@dataclass(frozen=True, slots=True)
class SocketsAnnounced:
    """Every live socket has been told of; the answer to a bridge that started."""


@dataclass(frozen=True, slots=True)
class RecoveryOver:
    """Whoever waits for a request that a restart forgot has asked again; bridge to itself."""


@dataclass(frozen=True, slots=True)
class SocketExpired:
    """The token of a socket ended; bridge to itself."""

    sid: str


@dataclass(frozen=True, slots=True)
class PluginResponse:
    """What a browser answered.

    Attributes:
        acknowledge: sends the acknowledgement; callable from any thread, once.
    """

    sid: str
    data: Any
    acknowledge: Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class BrowserDeadline:
    """A pending browser request ran out of time; bridge to itself."""

    request_id: str


@dataclass(frozen=True, slots=True)
class GraceOver:
    """A seller had time to reconnect; bridge to itself."""

    user_id: int


@dataclass(frozen=True, slots=True)
class SellerConnected:
    """The first socket of a seller; bridge to the actors of browser-bound marketplaces."""

    user_id: int


@dataclass(frozen=True, slots=True)
class SellerDisconnected:
    """The last socket of a seller is gone."""

    user_id: int


@dataclass(frozen=True, slots=True)
class PresenceWanted:
    """Tell me who is connected; marketplace actor to bridge."""

    reply_to: str


# --- the recorder -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecordSettlement:
    """Write down how a run ended."""

    reply_to: str
    settlement: Settlement


@dataclass(frozen=True, slots=True)
class SettlementRecorded:
    """It is committed.

    Attributes:
        kept: False where the run had lost its job before, so that nothing was written.
    """

    job_id: int
    fence: int
    kept: bool


@dataclass(frozen=True, slots=True)
class SettlementRefused:
    """The database refuses these values; the run needs another settlement."""

    job_id: int
    fence: int
    reason: str


@dataclass(frozen=True, slots=True)
class RecordIntent:
    """Write down that a write of a step is about to leave.

    Attributes:
        request: what is about to be sent, redacted.
        leaves_within: it leaves in this time or not at all.
        settles_within: how long after it left it can take effect.
    """

    ticket: CallTicket
    name: str
    task_type: str
    request_id: str | None
    request: Any
    leaves_within: timedelta
    settles_within: timedelta


@dataclass(frozen=True, slots=True)
class IntentRecorded:
    """The write may leave; where ``kept`` is False, the run has lost its job."""

    ticket: CallTicket
    kept: bool


@dataclass(frozen=True, slots=True)
class RecordOutcome:
    """Write down how a step ended; answered with :class:`CallSettled`."""

    ticket: CallTicket
    step: RecordStep
    task_type: str | None


@dataclass(frozen=True, slots=True)
class RecordProgress:
    """Write down how far a run is."""

    job_id: int
    fence: int
    progress: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RecordPresence:
    """Write down that a seller came or went."""

    user_id: int
    connected: bool


@dataclass(frozen=True, slots=True)
class ReleaseJobs:
    """Hand back every job of a marketplace that this node runs, behind what is queued.

    Attributes:
        suspect: the job whose code ran when the marketplace's actor hung.
    """

    reply_to: str
    marketplace: str
    suspect: int | None = None


@dataclass(frozen=True, slots=True)
class JobsReleased:
    """They are pending again."""

    marketplace: str
    count: int


@dataclass(frozen=True, slots=True)
class Flush:
    """Write what has gathered; recorder to itself."""
