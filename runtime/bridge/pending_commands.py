"""Keeps the commands that no browser has answered yet, and decides who gets one again. Pure.

A command is never sent twice to a browser that does not remember it, because that browser might
list a product twice. A client declares whether it remembers commands (``resume``), and the name
of its memory (``client_id``): a seller with two browsers has two memories.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runtime.bridge.seller_sockets import SellerSocket
from runtime.messages import BrowserCommand
from runtime.process.clock import Timer

# A late answer is told apart from one to an unknown command, as long as its command is remembered.
REMEMBERED = 10_000


@dataclass(slots=True)
class PendingCommand:
    """A command that waits for its answer.

    Attributes:
        sent_to: the socket that got the command last; None if that is not known.
        lost_at: the time since when no live socket is known to have the command.
    """

    command: BrowserCommand
    deadline: datetime
    timer: Timer
    sent_to: SellerSocket | None = None
    lost_at: datetime | None = None

    def sent(self, socket: SellerSocket) -> None:
        """Note that the command was sent to a socket."""
        self.sent_to = socket
        self.lost_at = None

    def lost(self, now: datetime) -> None:
        """Note that the socket to which the command was sent is gone."""
        self.lost_at = now

    def resumes_on(
        self, joined: SellerSocket, live: Sequence[SellerSocket], now: datetime, grace: timedelta
    ) -> bool:
        """Return whether a socket of the seller that just connected gets the command again."""
        if self.lost_at is None or now - self.lost_at > grace:
            return False
        if self.sent_to is None:
            return repeat_to(self.command, live) is joined
        return joined.shares_memory_with(self.sent_to)


def repeat_to(command: BrowserCommand, live: Sequence[SellerSocket]) -> SellerSocket | None:
    """Return the socket that may get a command of which the former socket is not known.

    A command that writes is repeated only if all live sockets of the seller share one memory:
    any of them may have got the command before.
    """
    # Only clients that remember commands come into question.
    resuming = [one for one in live if one.resume]
    if not resuming:
        return None
    newest = resuming[-1]
    if command.writes and not all(one.shares_memory_with(newest) for one in live):
        return None
    return newest


def heir_of(gone: SellerSocket, live: Sequence[SellerSocket]) -> SellerSocket | None:
    """Return the socket with which a client came back before its old one was known to be gone.

    A client that does not name its memory could as well be a second tab.
    """
    if gone.client_id is None:
        return None
    heirs = [one for one in live if one.order > gone.order and one.shares_memory_with(gone)]
    return heirs[-1] if heirs else None


class PendingCommands:
    """Holds the pending commands by id and by seller, and remembers how the last ones ended."""

    def __init__(self) -> None:
        self._by_id: dict[str, PendingCommand] = {}
        self._by_user: dict[int, dict[str, PendingCommand]] = {}
        self._ended: OrderedDict[str, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, pending: PendingCommand) -> None:
        """Add a command."""
        command = pending.command
        self._by_id[command.request_id] = pending
        self._by_user.setdefault(command.user_id, {})[command.request_id] = pending

    def get(self, request_id: str) -> PendingCommand | None:
        """Return the command of that id, while it is pending."""
        return self._by_id.get(request_id)

    def of(self, user_id: int) -> list[PendingCommand]:
        """Return a seller's pending commands, in order of their arrival."""
        return list(self._by_user.get(user_id, {}).values())

    def end(self, request_id: str, how: str) -> PendingCommand | None:
        """Remove a command; ``how`` tells for what a further response to it is taken."""
        pending = self._by_id.pop(request_id, None)
        if pending is None:
            return None
        pending.timer.cancel()
        of_user = self._by_user[pending.command.user_id]
        del of_user[request_id]
        if not of_user:
            del self._by_user[pending.command.user_id]
        self._ended[request_id] = how
        if len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)
        return pending

    def ended(self, request_id: str) -> str | None:
        """Return how a command ended, as long as this is remembered."""
        return self._ended.get(request_id)
