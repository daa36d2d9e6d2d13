"""Keeps the live sockets of each seller. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SellerSocket:
    """A live socket of a seller.

    Attributes:
        resume: whether its client answers a repeated command from memory.
        client_id: the name of that memory.
        order: a number that grows with each socket, which tells the newer of two.
        token: the token with which it connected.
    """

    sid: str
    user_id: int
    resume: bool
    client_id: str | None
    expires_at: datetime
    order: int
    token: str = field(default="", repr=False, compare=False)

    def shares_memory_with(self, other: "SellerSocket") -> bool:
        """Return whether this client remembers the commands that the other socket got."""
        return self.resume and other.resume and self.client_id == other.client_id


class SellerSockets:
    """Holds the sockets by sid and by seller."""

    def __init__(self) -> None:
        self._by_sid: dict[str, SellerSocket] = {}
        self._by_user: dict[int, dict[str, SellerSocket]] = {}
        self._order = 0

    def add(
        self,
        sid: str,
        user_id: int,
        resume: bool,
        client_id: str | None,
        expires_at: datetime,
        token: str = "",
    ) -> SellerSocket | None:
        """Add a socket; returns None if it is known already."""
        if sid in self._by_sid:
            return None
        self._order += 1
        one = SellerSocket(sid, user_id, resume, client_id, expires_at, self._order, token)
        self._by_sid[sid] = one
        self._by_user.setdefault(user_id, {})[sid] = one
        return one

    def remove(self, sid: str) -> SellerSocket | None:
        """Remove a socket; returns None if it is not known."""
        one = self._by_sid.pop(sid, None)
        if one is not None:
            sockets = self._by_user[one.user_id]
            del sockets[sid]
            if not sockets:
                del self._by_user[one.user_id]
        return one

    def get(self, sid: str) -> SellerSocket | None:
        """Return the socket of that sid."""
        return self._by_sid.get(sid)

    def of(self, user_id: int) -> list[SellerSocket]:
        """Return a seller's sockets, the newest last."""
        return list(self._by_user.get(user_id, {}).values())

    def users(self) -> Iterable[int]:
        """Return the ids of the sellers who are connected."""
        return list(self._by_user)
