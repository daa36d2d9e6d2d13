"""A simulated seller: a wardrobe that remembers, and the browser that executes for it.

It speaks the bridge's real protocol over a real socket, for the demo and for tests:

    wardrobe = Wardrobe.of(1_700, shop_id="123")
    with SimulatedBrowser("http://127.0.0.1:8765", 7, token, wardrobe) as browser:
        browser.faults.captcha = True

What can go wrong with a seller's browser is a switch in :class:`Faults`, and may be thrown
at any time.
"""

import importlib.util
import math
import queue
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import socketio

from plugins.vinted.client import MAX_PER_PAGE
from runtime.errors import NotSent

_CONNECT_SECONDS = 5.0
_ACKNOWLEDGE_SECONDS = 2.0
_SENDINGS = 5
_TRANSPORT = "websocket" if importlib.util.find_spec("websocket") else "polling"


class Wardrobe:
    """What a seller has on sale, newest first.

    Args:
        shop_id: the account it belongs to; commands for another are refused. None: any.
    """

    def __init__(self, items: Iterable[dict[str, Any]] = (), *, shop_id: str | None = None) -> None:
        self.shop_id = shop_id
        self._items = list(items)
        self._lock = threading.Lock()

    @classmethod
    def of(cls, size: int, *, shop_id: str | None = None) -> Self:
        """A wardrobe with so many invented items."""
        return cls((example_item(number) for number in range(size, 0, -1)), shop_id=shop_id)

    def items(self) -> list[dict[str, Any]]:
        """A copy of the list of items."""
        with self._lock:
            return list(self._items)

    def add(self, item: dict[str, Any]) -> None:
        """Put a new item on top."""
        with self._lock:
            self._items.insert(0, item)

    def remove(self, item_id: object) -> dict[str, Any] | None:
        """Take the item out; None where it is not there."""
        with self._lock:
            for position, item in enumerate(self._items):
                if item.get("id") == item_id:
                    return self._items.pop(position)
        return None

    def page(self, number: int, per_page: int = MAX_PER_PAGE) -> dict[str, Any]:
        """One page of it, counted from 1, in Vinted's own shape."""
        per_page = min(per_page, MAX_PER_PAGE)
        items = self.items()
        return {
            "items": items[(number - 1) * per_page : number * per_page],
            "pagination": {
                "current_page": number,
                "total_pages": math.ceil(len(items) / per_page),
                "per_page": per_page,
                "total_entries": len(items),
            },
        }


@dataclass(slots=True)
class Faults:
    """What goes wrong from now on.

    Attributes:
        late: seconds that each answer is held back after it was executed.
        twice: each answer is sent two times.
        never: commands are executed, and never answered.
        drop_after_executing: the next command is executed, then the socket drops before its
            answer is sent, and connects again.
        session_lost: Vinted wants the seller to log in (401).
        captcha: Vinted wants to see a human (403).
        older_plugin: a sync is answered with a summary.
        failing_pages: how many times each page still fails (500).
    """

    late: float = 0.0
    twice: bool = False
    never: bool = False
    drop_after_executing: bool = False
    session_lost: bool = False
    captcha: bool = False
    older_plugin: bool = False
    failing_pages: Counter[int] = field(default_factory=Counter)


class Refusal(Exception):
    """Vinted, or the browser plugin, says no."""

    def __init__(self, status: int, error_code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code


class SimulatedBrowser:
    """One tab of a seller's browser: the page that relays, and the plugin that executes.

    Args:
        url: the bridge, such as ``http://127.0.0.1:8765``.
        resume: declare that a command sent again is answered from memory.
        latency: seconds that executing a command takes.

    Attributes:
        faults: what goes wrong.
        executed: every (action, payload) that was executed, in order.
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
        self.faults = Faults()
        self.executed: list[tuple[str, dict[str, Any]]] = []
        self.acknowledged: list[str] = []
        self._token = token
        self._actions = {"VINTED_SYNC": self._sync}
        self._memory: dict[str, dict[str, Any]] = {}
        self._commands: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._relay = threading.Thread(target=self._relay_commands, daemon=True, name="sandbox")
        self._client = socketio.Client(
            handle_sigint=False,
            reconnection_delay=0.1,
            reconnection_delay_max=2,
            randomization_factor=0.05,
        )
        self._client.on("plugin_command", self._commands.put)
        self._client.on("connect_error", self._note_refusal)
        self._refusal: object = None

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
        """Connect and begin to answer; a connection that breaks later is made anew.

        Raises:
            NotSent: the bridge is not there, or does not let this seller in.
        """
        self._connect()
        self._relay.start()

    def close(self) -> None:
        """Close the tab; a command that is being executed gets no answer."""
        self._closing.set()
        self._commands.put(None)
        if self._relay.is_alive():
            self._relay.join()
        self._client.shutdown()

    def open_second_tab(self) -> "SimulatedBrowser":
        """A second tab of the same seller on the same wardrobe, connected."""
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

    def execute(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """What the browser plugin makes of one command: a response without its request_id."""
        self.executed.append((action, payload))
        try:
            if self.faults.session_lost:
                raise Refusal(401, "session_expired", "log in to Vinted again")
            if self.faults.captcha:
                raise Refusal(403, "captcha", "Vinted asks for a captcha")
            if action not in self._actions:
                raise Refusal(400, "unknown_action", f"no such action: {action}")
            return {"success": True, "data": self._actions[action](payload)}
        except Refusal as refusal:
            return {
                "success": False,
                "error": str(refusal),
                "error_code": refusal.error_code,
                "status": refusal.status,
            }

    def _sync(self, payload: dict[str, Any]) -> dict[str, Any]:
        page = payload["page"]
        if self.wardrobe.shop_id not in (None, payload["shop_id"]):
            raise Refusal(404, "not_found", f"no member {payload['shop_id']!r} is logged in here")
        if self.faults.failing_pages[page] > 0:
            self.faults.failing_pages[page] -= 1
            raise Refusal(500, "server_error", f"Vinted failed on page {page}")
        if self.faults.older_plugin:
            return {"imported": len(self.wardrobe.items()), "updated": 0, "errors": 0}
        return self.wardrobe.page(page, payload["per_page"])

    def _note_refusal(self, reason: object = None) -> None:
        self._refusal = reason.get("message") if isinstance(reason, dict) else reason

    def _connect(self) -> None:
        try:
            self._client.connect(
                self.url,
                auth={"user_id": self.user_id, "token": self._token, "resume": self.resume},
                transports=[_TRANSPORT],
                wait_timeout=_CONNECT_SECONDS,
            )
        except socketio.exceptions.ConnectionError as error:
            raise NotSent(
                f"the bridge at {self.url} does not let seller {self.user_id} in "
                f"({self._refusal or error}): check that the service runs, and that the token "
                "is this seller's and has not expired"
            ) from error

    def _relay_commands(self) -> None:
        while (command := self._commands.get()) is not None and not self._closing.is_set():
            request_id = command["request_id"]
            if request_id not in self._memory:
                self._closing.wait(self.latency)
                response = self.execute(command["action"], command["payload"])
                self._memory[request_id] = {"request_id": request_id, **response}
            self._respond(self._memory[request_id])

    def _respond(self, response: dict[str, Any]) -> None:
        self._closing.wait(self.faults.late)
        if self.faults.drop_after_executing:
            self.faults.drop_after_executing = False
            self.drop()
            if self.resume:
                return
        if self.faults.never:
            return
        for _ in range(2 if self.faults.twice else 1):
            self._send(response)

    def _send(self, response: dict[str, Any]) -> None:
        """Send until the bridge acknowledges it."""
        for _ in range(_SENDINGS):
            acknowledged = threading.Event()

            def acknowledge(
                answer: dict[str, Any], acknowledged: threading.Event = acknowledged
            ) -> None:
                self.acknowledged.append(answer["status"])
                acknowledged.set()

            try:
                self._client.emit("plugin_response", response, callback=acknowledge)
            except socketio.exceptions.BadNamespaceError:
                self._closing.wait(_ACKNOWLEDGE_SECONDS)
            else:
                if acknowledged.wait(_ACKNOWLEDGE_SECONDS):
                    return
            if self._closing.is_set():
                return


def example_item(number: int) -> dict[str, Any]:
    """An invented item, in Vinted's own shape; the same number gives the same item."""
    return {
        "id": 4_000_000_000 + number,
        "title": f"Example item {number}",
        "price": {"amount": f"{5 + number % 60}.50", "currency_code": "EUR"},
        "brand": ("Sézane", "Levi's", "Zara", "Adidas")[number % 4],
        "url": f"https://www.vinted.fr/items/{4_000_000_000 + number}",
    }
