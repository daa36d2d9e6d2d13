"""A BridgeActor driven message by message, with everything around it in the test's hands."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from actors.bridge import BridgeActor
from actors.directory import Directory
from runtime import messages
from runtime.messages import CallTicket
from runtime.process.clock import ManualClock
from runtime.runs.calls import Success

ASKER = messages.marketplace_actor("vinted")
GRACE = timedelta(seconds=20)
YEAR = timedelta(days=365)


class RecordingDirectory(Directory):
    """Keeps what was told to whom."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, Any]] = []

    def tell(self, name: str, message: Any) -> None:
        self.told.append((name, message))


class RecordingServer:
    """A transport without sockets; tells the live ones when asked, as the real one does."""

    def __init__(self) -> None:
        self.emitted: list[tuple[str, dict[str, Any]]] = []
        self.disconnected: list[str] = []
        self.live: list[messages.SocketConnected] = []
        self.deliver: Callable[[Any], Any] = lambda message: None

    def emit(
        self, sid: str, event: str, payload: dict[str, Any], may_leave: Callable[[], bool]
    ) -> None:
        assert event == "plugin_command"
        self.emitted.append((sid, payload))

    def disconnect(self, sid: str) -> None:
        self.disconnected.append(sid)

    def announce(self) -> None:
        for connected in self.live:
            self.deliver(connected)
        self.deliver(messages.SocketsAnnounced())


@dataclass
class Bridge:
    """A bridge with everything around it in the test's hands."""

    server: RecordingServer = field(default_factory=RecordingServer)
    directory: RecordingDirectory = field(default_factory=RecordingDirectory)

    def __post_init__(self) -> None:
        self.clock = ManualClock(lambda name, message: self.actor.receive(message))
        self.start()

    def start(self, announce: bool = True) -> None:
        """A new incarnation, which remembers nothing of the one before."""
        self.actor = BridgeActor(
            messages.BRIDGE, 1, self.directory, self.clock, self.server, GRACE, ("vinted",)
        )
        self.server.deliver = self.actor.receive if announce else lambda message: None
        self.actor.started()

    def connect(
        self,
        sid: str,
        user_id: int = 7,
        *,
        resume: bool = False,
        client_id: str | None = None,
        lifetime: timedelta = YEAR,
    ) -> None:
        expires_at = self.clock.now() + lifetime
        connected = messages.SocketConnected(sid, user_id, resume, client_id, expires_at)
        self.server.live.append(connected)
        self.actor.receive(connected)

    def disconnect(self, sid: str) -> None:
        self.server.live = [one for one in self.server.live if one.sid != sid]
        self.actor.receive(messages.SocketDisconnected(sid))

    def request(self, request_id: str = "r1", user_id: int = 7, **changes: Any) -> None:
        arguments: dict[str, Any] = {
            "ticket": CallTicket(ASKER, 1, 1, 1),
            "action": "VINTED_SYNC",
            "payload": {"page": 1},
            "timeout": timedelta(seconds=300),
            "writes": False,
        } | changes
        self.actor.receive(
            messages.BrowserCommand(request_id=request_id, user_id=user_id, **arguments)
        )

    def respond(self, sid: str, data: Any) -> dict[str, Any] | None:
        answers: list[dict[str, Any]] = []
        self.actor.receive(messages.BrowserResponded(sid, data, answers.append))
        assert len(answers) < 2
        return answers[0] if answers else None

    def advance(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    @property
    def emitted(self) -> list[tuple[str, str]]:
        return [(sid, payload["request_id"]) for sid, payload in self.server.emitted]

    @property
    def outcomes(self) -> list[Any]:
        """The answers that callers got: values, or errors."""
        return [
            message.outcome.value if isinstance(message.outcome, Success) else message.outcome.error
            for _, message in self.directory.told
            if isinstance(message, messages.CallEnded)
        ]

    def told(self, name: str) -> list[Any]:
        return [message for to, message in self.directory.told if to == name]


def ok(request_id: str = "r1", data: Any = None) -> dict[str, Any]:
    return {"request_id": request_id, "success": True, "data": data}
