"""One tab of a seller's browser: the page that relays, and the browser plugin that executes."""

import queue
import threading
import uuid
from types import TracebackType
from typing import Any, Self

import socketio

from plugins.vinted.sandbox.bridge_client import bridge_client, close_client, has_websockets
from plugins.vinted.sandbox.extension import Extension
from plugins.vinted.sandbox.faults import BrowserFaults
from plugins.vinted.sandbox.wardrobe import Wardrobe
from runtime import NotSent

_CONNECT_SECONDS = 20.0
_ACKNOWLEDGE_SECONDS = 2.0
_SENDINGS = 5
_TRANSPORT = "websocket" if has_websockets() else "polling"


class SimulatedBrowser:
    """One tab of a seller's browser: the page that relays, and the browser plugin that executes.

    Args:
        url: the bridge, such as ``http://127.0.0.1:8765``.
        resume: whether the tab declares that it answers a repeated command from memory.
        latency: seconds that executing a command takes.

    Attributes:
        client_id: names the memory of this tab, which no other tab shares.
        extension: the browser plugin of this browser.
        acknowledged: the status with which the bridge took each answer, in order.
    """

    def __init__(
        self,
        url: str,
        user_id: int,
        token: str,
        wardrobe: Wardrobe,
        *,
        resume: bool = False,
        latency: float = 0.0,
    ) -> None:
        self.url = url
        self.user_id = user_id
        self.wardrobe = wardrobe
        self.resume = resume
        self.latency = latency
        self.client_id = uuid.uuid4().hex
        self.extension = Extension(wardrobe)
        self.acknowledged: list[str] = []
        self._token = token
        self._memory: dict[str, dict[str, Any]] = {}
        self._commands: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._relay = threading.Thread(target=self._relay_commands, daemon=True, name="sandbox")
        self._client = bridge_client(
            reconnection_delay=0.1, reconnection_delay_max=2, randomization_factor=0.05
        )
        # Commands are executed on a thread of their own: on the client's, a slow one would stop its
        # heartbeats, and the bridge would take the seller for gone.
        self._client.on("plugin_command", self._commands.put)
        self._client.on("connect_error", self._note_connect_error)
        self._connect_error: object = None

    @property
    def faults(self) -> BrowserFaults:
        """The faults of this browser."""
        return self.extension.faults

    @property
    def executed(self) -> list[tuple[str, dict[str, Any]]]:
        """Every (action, payload) that was executed, in order."""
        return self.extension.executed

    def __enter__(self) -> Self:
        """Connect."""
        self.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the tab."""
        self.close()

    def connect(self) -> None:
        """Connect and begin to answer; a connection that breaks later is made again.

        Raises:
            NotSent: the bridge is not there, or does not let this seller in.
        """
        self._connect()
        self._relay.start()

    def close(self) -> None:
        """Close the tab; a command that is being executed gets no answer."""
        self._closing.set()
        # Nothing else wakes a thread that waits for its next command.
        self._commands.put(None)
        if self._relay.is_alive():
            self._relay.join()
        close_client(self._client)

    def open_second_tab(self) -> "SimulatedBrowser":
        """Open a second tab of the same seller and wardrobe, which has a memory of its own."""
        tab = SimulatedBrowser(
            self.url,
            self.user_id,
            self._token,
            self.wardrobe,
            resume=self.resume,
            latency=self.latency,
        )
        tab.connect()
        return tab

    def drop(self) -> None:
        """Lose the socket, and connect again."""
        self._client.disconnect()
        while not self._closing.wait(0.1):
            try:
                self._connect()
            except NotSent:
                continue
            return

    def _note_connect_error(self, reason: object = None) -> None:
        self._connect_error = reason.get("message") if isinstance(reason, dict) else reason

    def _connect(self) -> None:
        try:
            self._client.connect(
                self.url,
                auth={
                    "user_id": self.user_id,
                    "token": self._token,
                    "resume": self.resume,
                    "client_id": self.client_id,
                },
                transports=[_TRANSPORT],
                wait_timeout=_CONNECT_SECONDS,
            )
        except socketio.exceptions.ConnectionError as error:
            raise NotSent(
                f"the bridge at {self.url} does not let seller {self.user_id} in "
                f"({self._connect_error or error}): check that the service runs, and that the "
                "token is this seller's and has not expired"
            ) from error

    def _relay_commands(self) -> None:
        while (command := self._commands.get()) is not None and not self._closing.is_set():
            request_id, action = command["request_id"], command["action"]
            concerned = self.faults.concern(action)
            if concerned and self.faults.lost:
                self.faults.lost -= 1
                continue
            # A command that comes again after a reconnect is answered from memory and not executed
            # twice.
            if request_id not in self._memory:
                self._closing.wait(self.latency)
                response = self.extension.execute(action, command["payload"])
                self._memory[request_id] = {"request_id": request_id, **response}
            self._respond(self._memory[request_id], concerned)

    def _respond(self, response: dict[str, Any], concerned: bool) -> None:
        faults = self.faults if concerned else BrowserFaults()
        self._closing.wait(faults.late)
        if faults.drop_after_executing:
            faults.drop_after_executing = False
            self.drop()
            # The bridge sends the command again, and it is answered from memory then.
            if self.resume:
                return
        if faults.never:
            return
        for _ in range(2 if faults.twice else 1):
            self._send(response)

    def _send(self, response: dict[str, Any]) -> None:
        """Send the response until the bridge acknowledges it."""
        for _ in range(_SENDINGS):
            acknowledged = threading.Event()

            def acknowledge(
                answer: dict[str, Any], acknowledged: threading.Event = acknowledged
            ) -> None:
                self.acknowledged.append(answer["status"])
                acknowledged.set()

            try:
                self._client.emit("plugin_response", response, callback=acknowledge)
            # The socket is being connected anew.
            except socketio.exceptions.BadNamespaceError:
                self._closing.wait(_ACKNOWLEDGE_SECONDS)
            else:
                if acknowledged.wait(_ACKNOWLEDGE_SECONDS):
                    return
            if self._closing.is_set():
                return
