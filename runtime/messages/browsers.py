"""Between the bridge, its server and those who ask it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any


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
    """Tell me who is connected; marketplace actor to bridge.

    Attributes:
        user_id: only whether this seller is; None: tell of all.
    """

    reply_to: str
    user_id: int | None = None
