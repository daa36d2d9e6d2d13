"""The real bridge: a Socket.IO server, its actor, and browsers that connect to it."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from actors.bridge import BridgeActor
from actors.directory import Directory
from plugins.vinted.sandbox.bridge_client import bridge_client, close_client
from runtime import messages
from runtime.bridge.seller_tokens import issue_token, verify_token
from runtime.bridge.socketio_server import SocketIOServer
from runtime.messages import CallTicket
from runtime.process.clock import SystemClock
from tests.support.deadline import wait_until

SECRET = "integration-test-secret-of-48-characters-xxxxxxxx"
ALGORITHM = "HS256"
ASKER = messages.marketplace_actor("vinted")
PATIENCE = 60


class Mailbox:
    """Stands in a directory for an actor, and keeps what it is told."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def tell(self, message: Any) -> None:
        self._queue.put(message)

    def is_alive(self) -> bool:
        return True

    def next(self, kind: type) -> Any:
        """The next message of that kind; earlier ones of others are thrown away."""
        while True:
            message = self._queue.get(timeout=PATIENCE)
            if isinstance(message, kind):
                return message


class Browser:
    """A seller's page: takes commands, answers them, and counts its connections."""

    def __init__(self, url: str, transport: str = "websocket") -> None:
        self._url = url
        self._transport = transport
        self.client = bridge_client(reconnection_delay=0.05, reconnection_delay_max=0.1)
        self.commands: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.refusals: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.connected = threading.Semaphore(0)
        self.disconnected = threading.Semaphore(0)
        self.client.on("plugin_command", self.commands.put)
        self.client.on("connect_error", self.refusals.put)
        self.client.on("connect", self.connected.release)
        self.client.on("disconnect", lambda *_: self.disconnected.release())

    def _finish_writing(self) -> None:
        """The library forgets to say goodbye where a request of its own is still under way."""
        if self._transport == "polling" and self.client.connected:
            wait_until(lambda: not self.client.connected or not self._unwritten())

    def _unwritten(self) -> int:
        count: int = self.client.eio.queue.unfinished_tasks
        return count

    def connect(self, auth: object, wait: float = PATIENCE) -> None:
        # The library's own second is too short on a busy machine: a refusal came too late.
        self.client.connect(self._url, auth=auth, transports=[self._transport], wait_timeout=wait)
        assert self.connected.acquire(timeout=PATIENCE)

    def command(self) -> dict[str, Any]:
        return self.commands.get(timeout=PATIENCE)

    def respond(self, data: Any) -> Any:
        return self.client.call("plugin_response", data, timeout=PATIENCE)

    def cut(self) -> None:
        """Lose the connection for good; of a polling client nobody would notice but by a word."""
        if self._transport == "polling":
            self._finish_writing()
            self.client.disconnect()
        else:
            self.client.eio.disconnect(abort=True)

    def close(self) -> None:
        self._finish_writing()
        close_client(self.client)


class Stack:
    """Everything of a node that the bridge touches."""

    def __init__(self, *origins: str, grace: timedelta, max_bytes: int) -> None:
        self.directory = Directory()
        self.clock = SystemClock(self.directory.tell)
        self.asker, self.recorder = Mailbox(), Mailbox()
        self.directory.register(ASKER, self.asker, 1)  # type: ignore[arg-type]
        self.directory.register(messages.RECORDER, self.recorder, 1)  # type: ignore[arg-type]
        self.server = SocketIOServer(
            "127.0.0.1",
            0,
            origins,
            max_bytes,
            lambda auth: verify_token(auth, SECRET, ALGORITHM, self.clock.now()),
            lambda message: self.directory.tell(messages.BRIDGE, message),
            self.clock.now,
        )
        self._grace = grace
        self._incarnation = 0
        self._browsers: list[Browser] = []

    def start_bridge(self) -> None:
        self._incarnation += 1
        self.bridge = BridgeActor.start(
            messages.BRIDGE,
            self._incarnation,
            self.directory,
            self.clock,
            self.server,
            self._grace,
            ("vinted",),
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def browser(self, user_id: int = 7, transport: str = "websocket", **auth: Any) -> Browser:
        """A page of that seller, connected."""
        browser = self.stranger(transport)
        browser.connect({"user_id": user_id, "token": token(user_id), **auth})
        return browser

    def stranger(self, transport: str = "websocket") -> Browser:
        """A page that has not connected yet."""
        browser = Browser(self.url, transport)
        self._browsers.append(browser)
        return browser

    def request(self, request_id: str = "r1", user_id: int = 7, **changes: Any) -> None:
        arguments: dict[str, Any] = {
            "ticket": CallTicket(ASKER, 1, 1, 1),
            "action": "VINTED_SYNC",
            "payload": {"page": 1},
            "timeout": timedelta(seconds=60),
            "writes": False,
        } | changes
        self.bridge.tell(
            messages.BrowserCommand(request_id=request_id, user_id=user_id, **arguments)
        )

    def outcome(self) -> Any:
        return self.asker.next(messages.CallEnded).outcome

    def close(self) -> None:
        for browser in self._browsers:
            browser.close()
        self.server.stop()
        self.bridge.stop(timeout=PATIENCE)
        self.clock.stop()


@contextmanager
def running(
    *origins: str,
    grace: timedelta = timedelta(seconds=30),
    max_bytes: int = 100_000,
) -> Iterator[Stack]:
    """A bridge that listens."""
    stack = Stack(*origins, grace=grace, max_bytes=max_bytes)
    stack.clock.start()
    stack.start_bridge()
    stack.server.start()
    try:
        yield stack
    finally:
        stack.close()


def token(user_id: int, lifetime: timedelta = timedelta(hours=1)) -> str:
    """A token as the application issues it."""
    return issue_token(user_id, SECRET, ALGORITHM, lifetime)


def ok(request_id: str = "r1", data: Any = None) -> dict[str, Any]:
    """A response that says yes."""
    return {"request_id": request_id, "success": True, "data": data}
