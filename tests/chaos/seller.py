"""A simulated seller, whose browser carries out writes and drops its socket when it likes."""

import math
import queue
import threading
import time
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import socketio

from plugins.vinted.sandbox.bridge_client import bridge_client, close_client, close_sockets
from runtime.bridge.seller_tokens import issue_token
from tests.chaos.counting_marketplace import CountingMarketplace

SECRET = "a-secret-for-the-chaos-tests-only"
UNKNOWN = {"success": False, "error": "it was begun", "error_code": "outcome_unknown"}
TOO_LATE = {"success": False, "error": "its time was over", "error_code": "too_late"}


class Seller:
    """Connected to one service after the other, as long as the ``with`` block goes on.

    Args:
        resume: it remembers what it was sent, over every reload, and says so.
    """

    def __init__(self, marketplace: CountingMarketplace, user_id: int, *, resume: bool) -> None:
        self._marketplace = marketplace
        self._user_id = user_id
        self._resume = resume
        self._memory: dict[str, dict[str, Any]] = {}
        self._commands: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._port: int | None = None
        self._wanted: int | None = None
        self._client = self._page()
        self._threads = [
            threading.Thread(target=one, daemon=True) for one in (self._stay, self._work)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._commands.put(None)
        for thread in self._threads:
            thread.join()
        close_client(self._client)

    def go_to(self, port: int) -> None:
        """Connect to the service on that port, now or when it lets this seller in."""
        self._wanted = port

    def _page(self) -> socketio.Client:
        client = bridge_client(reconnection=False)
        client.on("plugin_command", self._commands.put)
        return client

    def _stay(self) -> None:
        while not self._closing.wait(0.05):
            wanted = self._wanted
            if wanted is None or (self._client.connected and self._port == wanted):
                continue
            # A page of its own each time: the library's client, cut off at a bad moment, stays in a
            # state in which it refuses to connect again.
            self._leave()
            self._client = self._page()
            with suppress(Exception):
                token = issue_token(self._user_id, SECRET, "HS256", timedelta(hours=1))
                self._client.connect(
                    f"http://127.0.0.1:{wanted}",
                    auth={"user_id": self._user_id, "token": token, "resume": self._resume},
                    wait_timeout=2,
                )
                self._port = wanted

    def _work(self) -> None:
        while (command := self._commands.get()) is not None:
            request_id = command["request_id"]
            if self._resume and request_id in self._memory:
                self._answer(request_id, self._memory[request_id])
                continue
            reference = command["payload"]["reference"]
            if command["action"] == "LOOK":
                found = self._marketplace.look_up(reference)
                self._answer(request_id, {"success": True, "data": {"found": found}})
            elif command.get("repeated"):
                self._answer(request_id, UNKNOWN)
            elif time.time() * 1_000 >= command.get("not_after", math.inf):
                self._answer(request_id, TOO_LATE)
            else:
                self._carry_out(request_id, reference)

    def _carry_out(self, request_id: str, reference: str) -> None:
        self._memory[request_id] = UNKNOWN
        write = self._marketplace.take(reference)
        kind, _, how = write.treatment.partition(" ")
        response: dict[str, Any] = {"success": True, "data": {"number": write.number}}
        if how == "500":
            response = {"success": False, "error": "oops", "status": 500}
        elif kind in {"late", "undone"}:
            response = UNKNOWN
        self._memory[request_id] = response
        if kind == "slow":
            time.sleep(0.3)
        if how == "cut":
            self._leave()
            return
        self._answer(request_id, response)
        if kind == "well" and write.number % 5 == 0:
            self._answer(request_id, response)

    def _leave(self) -> None:
        # Cut off at a bad moment, the library's client fails with whatever it happens to meet.
        with suppress(Exception):
            self._client.disconnect()
        close_sockets(self._client)

    def _answer(self, request_id: str, response: dict[str, Any]) -> None:
        with suppress(Exception):
            self._client.emit("plugin_response", {"request_id": request_id, **response})
