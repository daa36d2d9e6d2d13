"""Messages between the bridge, its server, and the actors that use the bridge."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class SocketConnected:
    """An authenticated socket has connected.

    Attributes:
        resume: whether the client remembers commands and answers a repeated one from memory.
        client_id: the name of that memory; two browsers of a seller have two memories.
        expires_at: the time when its token expires.
        token: the token itself, which is taken out of the client's texts.
    """

    sid: str
    user_id: int
    resume: bool
    # A page need not name its memory; then two memories of a seller cannot be told apart.
    client_id: str | None
    expires_at: datetime
    token: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class SocketDisconnected:
    """A socket is gone."""

    sid: str


@dataclass(frozen=True, slots=True)
class SocketsAnnounced:
    """All live sockets have been delivered; this answers a bridge that has just started."""


@dataclass(frozen=True, slots=True)
class RecoveryOver:
    """The actors had time to ask again for what a restart forgot; the bridge tells itself."""


@dataclass(frozen=True, slots=True)
class SocketExpired:
    """The token of a socket expired; the bridge tells itself."""

    sid: str


@dataclass(frozen=True, slots=True)
class RepeatedLinesDue:
    """An interval of summed up lines of the log is over; the bridge tells itself."""


@dataclass(frozen=True, slots=True)
class BrowserResponded:
    """A browser answered.

    Attributes:
        acknowledge: sends the acknowledgement; it may be called once, from any thread.
    """

    sid: str
    data: Any
    # The page forgets its answer with the acknowledgement, so the bridge and not its server decides
    # when that may be.
    acknowledge: Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class BrowserDeadline:
    """The time of a pending browser request is over; the bridge tells itself."""

    request_id: str


@dataclass(frozen=True, slots=True)
class GraceOver:
    """The time in which a seller could reconnect is over; the bridge tells itself."""

    user_id: int


@dataclass(frozen=True, slots=True)
class SellerConnected:
    """The first socket of a seller has connected; the bridge tells the marketplaces' actors."""

    user_id: int


@dataclass(frozen=True, slots=True)
class SellerDisconnected:
    """The last socket of a seller is gone; the bridge tells the marketplaces' actors."""

    user_id: int


@dataclass(frozen=True, slots=True)
class PresenceWanted:
    """A marketplace actor asks the bridge which sellers are connected.

    Attributes:
        user_id: limits the question to this seller; None asks for all sellers.
    """

    reply_to: str
    user_id: int | None = None
