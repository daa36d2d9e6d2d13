"""BridgeActor: knows which sellers are connected, and which commands wait for a browser's answer.

It trusts no client: a response counts only if it comes from a socket of the seller to whom the
command went, and its content is read with distrust. It never sends a command twice to a browser
that does not remember the first time. The way of a command::

    command ─► sent to a socket ─┬─ response ───────────────────────────────► ended
                                 ├─ deadline ───────────────────────────────► ended: timeout
                                 └─ socket gone ─► lost ─┬─ another socket with the same memory:
                                                         │  sent again
                                                         └─ grace over ─────► ended: lost
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol

from actors.base_actor import BaseActor
from actors.directory import Directory
from runtime import messages
from runtime.bridge.browser_response import MalformedResponse, read_response
from runtime.bridge.pending_commands import PendingCommand, PendingCommands, heir_of, repeat_to
from runtime.bridge.seller_sockets import SellerSocket, SellerSockets
from runtime.errors import (
    CallTimeout,
    ConnectionLost,
    HeldUp,
    InvalidCall,
    InvalidJson,
    SellerNotConnected,
)
from runtime.process.clock import Clock, Timer, epoch_ms
from runtime.process.repeated_lines import INTERVAL, RepeatedLines
from runtime.runs.calls import Failure, Outcome
from runtime.values.json_values import checked_json

COMMAND = "plugin_command"
RECOVERY = timedelta(seconds=2)
"""After a start, marketplace actors have this time to ask again for what they wait for."""

EARLY_RESPONSES = 1_000
"""Browsers are not trusted, so the responses that are set aside during a recovery have a bound."""

LONGEST_TIMER = timedelta(minutes=10)
"""An expiry may be months away, and a cancelled timer stays in the clock until it is due. Shorter
timers that are set again keep the memory small."""


class BrowserServer(Protocol):
    """The transport as the bridge needs it; none of its methods blocks or raises."""

    def emit(
        self, sid: str, event: str, payload: dict[str, Any], may_leave: Callable[[], bool]
    ) -> None:
        """Send an event to a socket, if it may leave at the last moment."""

    def disconnect(self, sid: str) -> None:
        """Close a socket."""

    def announce(self) -> None:
        """Deliver SocketConnected for every live socket, then SocketsAnnounced."""


class BridgeActor(BaseActor):
    """Routes commands to sellers' browsers, and their responses to whoever asked.

    Args:
        grace: the time that a seller has to reconnect.
        browser_marketplaces: the marketplaces whose actors are told which sellers come and go.

    Attributes:
        counters: the number of events by their kinds.
    """

    def __init__(
        self,
        name: str,
        incarnation: int,
        directory: Directory,
        clock: Clock,
        server: BrowserServer,
        grace: timedelta,
        browser_marketplaces: tuple[str, ...],
    ) -> None:
        super().__init__(name, incarnation, directory, clock)
        self.counters: Counter[str] = Counter()
        self._server = server
        self._grace = grace
        self._listeners = tuple(messages.marketplace_actor(one) for one in browser_marketplaces)
        self._sockets = SellerSockets()
        self._repeated = RepeatedLines(now=lambda: clock.now().timestamp())
        self._summing_up = False
        self._pending = PendingCommands()
        # A socket whose token expired must not go on receiving commands, however long it stays
        # open.
        self._expiries: dict[str, Timer] = {}
        # A page that is loaded anew is gone for a moment. In this time, a command may still be
        # answered by the memory that got it.
        self._graces: dict[int, tuple[datetime, Timer]] = {}
        # A start may be a restart. Until the server has announced the connected sockets and the
        # marketplace actors had time to ask again, an unknown seller or command means nothing.
        self._announced = False
        self._recovering = True
        self._early_commands: list[messages.BrowserCommand] = []
        self._early_responses: dict[str, list[messages.BrowserResponded]] = {}
        self._handlers: dict[type, Callable[[Any], None]] = {
            messages.BrowserCommand: self._on_command,
            messages.BrowserCommandWithdrawn: self._on_withdrawn,
            messages.BrowserResponded: self._on_response,
            messages.BrowserDeadline: self._on_deadline,
            messages.SocketConnected: self._on_connected,
            messages.SocketDisconnected: self._on_disconnected,
            messages.SocketExpired: self._on_expired,
            messages.GraceOver: self._on_grace_over,
            messages.PresenceWanted: self._on_presence_wanted,
            messages.ActorRestarted: self._on_actor_restarted,
            messages.SocketsAnnounced: self._on_announced,
            messages.RecoveryOver: self._on_recovery_over,
            messages.RepeatedLinesDue: self._on_repeated_lines_due,
        }

    def started(self) -> None:
        """Ask the server for the sockets that are connected."""
        self._server.announce()

    def receive(self, message: Any) -> Any:
        """Handle one message."""
        handle = self._handlers.get(type(message))
        if handle is None:
            return super().receive(message)
        return handle(message)

    # --- commands ------------------------------------------------------------------------

    def _on_command(self, command: messages.BrowserCommand) -> None:
        if not self._announced:
            self._early_commands.append(command)
            return
        known = self._pending.get(command.request_id)
        if known is not None:
            # The command is under way already and must not be sent twice. Only its outcome goes
            # to the ticket that asked last.
            known.command = replace(known.command, ticket=command.ticket)
            return
        repeated = command.repeated or self._pending.ended(command.request_id) is not None
        live = self._sockets.of(command.user_id)
        if not live:
            # The asking actor believes that the seller is connected. The seller may have left
            # during a restart, when nobody was told.
            self._tell_presence(command.user_id, connected=False)
            if not repeated:
                self._reply(command, Failure(SellerNotConnected(command.user_id)))
                return
        pending = self._await(command)
        for response in self._early_responses.pop(command.request_id, []):
            self._on_response(response)
        if self._pending.get(command.request_id) is not pending:
            return
        if not repeated:
            self._send(pending, live[-1])
            return
        # The command may have been sent before, so only a browser that remembers may get it.
        remembering = repeat_to(command, live)
        if remembering is not None:
            self._send(pending, remembering, repeated=True)
            return
        pending.lost(self.clock.now())
        if not live:
            self._start_grace(command.user_id)

    def _await(self, command: messages.BrowserCommand) -> PendingCommand:
        deadline = self.clock.now() + command.timeout
        due = messages.BrowserDeadline(command.request_id)
        pending = PendingCommand(command, deadline, self.clock.call_at(deadline, self.name, due))
        self._pending.add(pending)
        return pending

    def _send(self, pending: PendingCommand, socket: SellerSocket, repeated: bool = False) -> None:
        command = pending.command
        try:
            payload = checked_json(command.payload, f"the payload of {command.action}")
        except InvalidJson as error:
            self._end(pending, Failure(InvalidCall(str(error))))
            return
        if not self._may_leave(command):
            # If the command was sent before, its answer may still come from the first time.
            if pending.sent_to is None and not repeated:
                why = "this node was held up, and it is too late for the command to leave"
                self._end(pending, Failure(HeldUp(why)))
            return
        self.counters["resent" if pending.sent_to or repeated else "sent"] += 1
        pending.sent(socket)
        wire = {"request_id": command.request_id, "action": command.action, "payload": payload}
        if command.not_after is not None:
            # The command may reach the browser late: a polling browser fetches it some time, and
            # a page may have been frozen. The page has to look at this time itself.
            wire["not_after"] = epoch_ms(command.not_after)
        if repeated:
            wire["repeated"] = True
        self._server.emit(socket.sid, COMMAND, wire, partial(self._may_leave, command))

    def _may_leave(self, command: messages.BrowserCommand) -> bool:
        """Return whether nobody can have taken the job over; the server's thread asks, too."""
        return command.not_after is None or self.clock.now() < command.not_after

    def _on_withdrawn(self, message: messages.BrowserCommandWithdrawn) -> None:
        self._early_commands = [
            one for one in self._early_commands if one.request_id != message.request_id
        ]
        # The browser is not told: it may be at it already, and then its answer is taken for late.
        self._pending.end(message.request_id, "late")

    def _on_deadline(self, message: messages.BrowserDeadline) -> None:
        pending = self._pending.get(message.request_id)
        # A timer cannot be taken back once its message is in the mailbox, so it may come for a
        # command that was made anew.
        if pending is None or self.clock.now() < pending.deadline:
            return
        seconds = pending.command.timeout.total_seconds()
        self._end(
            pending,
            Failure(
                CallTimeout(
                    # Operators know these words from the former system.
                    f"Plugin command timeout after {seconds:g}s",
                    writes=pending.command.writes,
                )
            ),
        )

    def _end(self, pending: PendingCommand, outcome: Outcome, later: str = "late") -> None:
        self._pending.end(pending.command.request_id, later)
        self._reply(pending.command, outcome)

    def _reply(self, command: messages.BrowserCommand, outcome: Outcome) -> None:
        self.tell(command.ticket.reply_to, messages.CallEnded(command.ticket, outcome))

    # --- responses -----------------------------------------------------------------------

    def _on_response(self, message: messages.BrowserResponded) -> None:
        sender = self._sockets.get(message.sid)
        try:
            response = read_response(message.data, sender.token if sender else "")
        except MalformedResponse as error:
            self._drop(message, "malformed", error.request_id, reason=str(error))
            return
        pending = self._pending.get(response.request_id)
        if self._recovering and (sender is None or pending is None) and self._set_aside(message):
            return
        if pending is None:
            self._drop(
                message, self._pending.ended(response.request_id) or "unknown", response.request_id
            )
        # Ids cannot be guessed, but nobody may answer for another seller even if an id is known.
        elif sender is None or sender.user_id != pending.command.user_id:
            self._drop(message, "foreign", response.request_id, sid=message.sid)
        else:
            self.counters["answered"] += 1
            self._end(pending, response.outcome(pending.command.writes), "duplicate")
            # Only now may the page forget its answer: it is on its way to the run.
            message.acknowledge({"status": "ok", "request_id": response.request_id})

    def _drop(
        self, message: messages.BrowserResponded, kind: str, request_id: str | None, **why: Any
    ) -> None:
        self.counters[kind] += 1
        sender = self._sockets.get(message.sid)
        user_id = None if sender is None else sender.user_id
        counted = self._repeated.say(
            self.log.warning, "browser response dropped", (kind, user_id),
            kind=kind, user_id=user_id, request_id=request_id, **why,
        )  # fmt: skip
        if counted and not self._summing_up:
            self._sum_up_later()
        status = "refused" if kind in {"malformed", "foreign"} else "unknown"
        message.acknowledge({"status": status, "request_id": request_id})

    def _sum_up_later(self) -> None:
        self._summing_up = True
        when = self.clock.now() + INTERVAL
        self.clock.call_at(when, self.name, messages.RepeatedLinesDue())

    def _on_repeated_lines_due(self, _: messages.RepeatedLinesDue) -> None:
        self._summing_up = False
        if self._repeated.sum_up():
            self._sum_up_later()

    def _set_aside(self, message: messages.BrowserResponded) -> bool:
        """Set aside a response whose command may be forgotten; returns False if there is no room.

        If an actor asks for the command again within the recovery, the response answers it.
        """
        if sum(map(len, self._early_responses.values())) >= EARLY_RESPONSES:
            return False
        self._early_responses.setdefault(message.data["request_id"], []).append(message)
        return True

    # --- sockets -------------------------------------------------------------------------

    def _on_connected(self, message: messages.SocketConnected) -> None:
        joined = self._sockets.add(
            message.sid,
            message.user_id,
            message.resume,
            message.client_id,
            message.expires_at,
            message.token,
        )
        # After a start the server announces all live sockets, and this one was heard of before.
        if joined is None:
            return
        self._arm_expiry(joined)
        live = self._sockets.of(joined.user_id)
        self.log.debug("socket connected", user_id=joined.user_id, sockets=len(live))
        # Further tabs change nothing for the lanes: the seller was present before.
        if len(live) == 1:
            self._stop_grace(joined.user_id)
            self._tell_presence(joined.user_id, connected=True)
        now = self.clock.now()
        for pending in self._pending.of(joined.user_id):
            if pending.resumes_on(joined, live, now, self._grace):
                self._send(pending, joined, repeated=pending.sent_to is None)

    def _on_disconnected(self, message: messages.SocketDisconnected) -> None:
        gone = self._sockets.remove(message.sid)
        if gone is None:
            return
        self._expiries.pop(gone.sid).cancel()
        live = self._sockets.of(gone.user_id)
        self.log.debug("socket gone", user_id=gone.user_id, sockets=len(live))
        heir = heir_of(gone, live)
        for pending in self._pending.of(gone.user_id):
            if pending.sent_to is gone and pending.lost_at is None:
                pending.lost(self.clock.now())
                if heir is not None:
                    self._send(pending, heir)
        if not live:
            self._tell_presence(gone.user_id, connected=False)
            self._start_grace(gone.user_id)

    def _arm_expiry(self, socket: SellerSocket) -> None:
        when = min(socket.expires_at, self.clock.now() + LONGEST_TIMER)
        expired = messages.SocketExpired(socket.sid)
        self._expiries[socket.sid] = self.clock.call_at(when, self.name, expired)

    def _on_expired(self, message: messages.SocketExpired) -> None:
        socket = self._sockets.get(message.sid)
        if socket is None:
            return
        if self.clock.now() < socket.expires_at:
            self._arm_expiry(socket)
            return
        self.log.info("token expired; its socket is closed", user_id=socket.user_id)
        self._server.disconnect(socket.sid)

    # --- presence ------------------------------------------------------------------------

    def _tell_presence(self, user_id: int, connected: bool) -> None:
        kind = messages.SellerConnected if connected else messages.SellerDisconnected
        for listener in self._listeners:
            self.tell(listener, kind(user_id))
        self.tell(messages.RECORDER, messages.RecordPresence(user_id, connected))

    def _on_presence_wanted(self, message: messages.PresenceWanted) -> None:
        for user_id in self._sockets.users() if message.user_id is None else (message.user_id,):
            if self._sockets.of(user_id):
                self.tell(message.reply_to, messages.SellerConnected(user_id))

    def _on_actor_restarted(self, message: messages.ActorRestarted) -> None:
        """Tell a recorder that began anew who is connected, because unwritten presence is lost.

        Marketplace actors ask for presence by themselves.
        """
        if message.name == messages.RECORDER:
            for user_id in self._sockets.users():
                self.tell(messages.RECORDER, messages.RecordPresence(user_id, True))

    def _start_grace(self, user_id: int) -> None:
        if user_id in self._graces or not self._pending.of(user_id):
            return
        until = self.clock.now() + self._grace
        over = messages.GraceOver(user_id)
        self._graces[user_id] = (until, self.clock.call_at(until, self.name, over))

    def _stop_grace(self, user_id: int) -> None:
        until_and_timer = self._graces.pop(user_id, None)
        if until_and_timer is not None:
            until_and_timer[1].cancel()

    def _on_grace_over(self, message: messages.GraceOver) -> None:
        user_id = message.user_id
        # The message may have been in the mailbox when the grace was stopped, or was begun anew.
        if user_id not in self._graces or self.clock.now() < self._graces[user_id][0]:
            return
        del self._graces[user_id]
        for pending in self._pending.of(user_id):
            self._end(pending, Failure(self._lost(pending.command)))

    def _lost(self, command: messages.BrowserCommand) -> ConnectionLost | SellerNotConnected:
        # A read that was lost is simply asked again when the seller is back.
        if not command.writes:
            return SellerNotConnected(command.user_id)
        return ConnectionLost(
            f"the browser of user {command.user_id} disconnected before it answered "
            f"{command.action}, and did not come back within {self._grace.total_seconds():g}s",
            writes=True,
        )

    # --- recovery ------------------------------------------------------------------------

    def _on_announced(self, _: messages.SocketsAnnounced) -> None:
        if self._announced:
            return
        self._announced = True
        early, self._early_commands = self._early_commands, []
        for command in early:
            self._on_command(command)
        # Where no seller is connected, nobody can have the answer to a forgotten command.
        if any(self._sockets.users()):
            over = self.clock.now() + RECOVERY
            self.clock.call_at(over, self.name, messages.RecoveryOver())
        else:
            self._on_recovery_over(messages.RecoveryOver())

    def _on_recovery_over(self, _: messages.RecoveryOver) -> None:
        self._recovering = False
        early, self._early_responses = self._early_responses, {}
        for responses in early.values():
            for response in responses:
                self._on_response(response)
