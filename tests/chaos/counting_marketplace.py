"""A marketplace that counts every write it receives, and behaves badly in a way that repeats."""

import json
import random
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

LATEST = 0.5
"""Seconds after which a write that landed late can be seen, at most."""

GATE_SECONDS = 300
"""For this long a call may wait at a gate; every test that closes one opens it earlier."""

WEIGHTS = {
    "well": 50,
    "slow": 10,
    "late 500": 7,
    "late cut": 7,
    "done 500": 7,
    "undone 500": 5,
    "undone cut": 5,
    "done cut": 7,
}

Plan = Callable[[str, int], str]
"""How the n-th write of a reference, counted from 0, is treated."""


@dataclass(slots=True)
class Write:
    """One write as it arrived.

    Attributes:
        visible_at: from when it can be looked up; None: it has no effect.
    """

    reference: str
    number: int
    treatment: str
    arrived_at: float
    visible_at: float | None


def seeded_plan(seed: int) -> Plan:
    """Treatments that the seed repeats; from the fourth write on, all is well."""

    def plan(reference: str, count: int) -> str:
        if count >= 3:
            return "well"
        drawn = random.Random(f"{seed}/{reference}/{count}")
        return drawn.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]

    return plan


class CountingMarketplace:
    """Listens on the loopback only, as long as the ``with`` block goes on.

    ``POST /write/<reference>`` is a write, ``GET /lookup/<reference>`` says what came of it,
    ``POST /refuse/<reference>`` is refused, and ``GET /gate/<name>`` is answered once the gate
    is open.
    A write whose treatment is ``gate <name>`` takes effect at once and is answered like that.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._lock = threading.Lock()
        self._writes: dict[str, list[Write]] = defaultdict(list)
        self._waiting: defaultdict[str, int] = defaultdict(int)
        self._gates: defaultdict[str, threading.Event] = defaultdict(threading.Event)
        self._count = 0
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for gate in list(self._gates.values()):
            gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def writes(self, reference: str) -> list[Write]:
        """Every write of that reference that arrived, in order."""
        with self._lock:
            return list(self._writes[reference])

    def effects(self, reference: str) -> list[Write]:
        """Those that took effect."""
        return [one for one in self.writes(reference) if one.visible_at is not None]

    def references(self) -> list[str]:
        """Every reference that was written."""
        with self._lock:
            return [one for one, writes in self._writes.items() if writes]

    def open_gate(self, name: str) -> None:
        """Let pass who waits there, and who will."""
        self._gates[name].set()

    def waiting_at(self, name: str) -> int:
        """How many have come to a gate, whether they were let pass or not."""
        return self._waiting[name]

    def wait_at(self, name: str) -> None:
        with self._lock:
            self._waiting[name] += 1
            gate = self._gates[name]
        gate.wait(GATE_SECONDS)

    def take(self, reference: str) -> Write:
        """A write arrived."""
        now = time.monotonic()
        with self._lock:
            earlier = self._writes[reference]
            treatment = self._plan(reference, len(earlier))
            self._count += 1
            visible: float | None = now
            if treatment.startswith("late"):
                visible = now + LATEST
            elif treatment.startswith("undone"):
                visible = None
            write = Write(reference, self._count, treatment, now, visible)
            earlier.append(write)
            return write

    def look_up(self, reference: str) -> dict[str, int] | None:
        """Return the result of the reference's first write that can be seen."""
        now = time.monotonic()
        for one in self.effects(reference):
            if one.visible_at is not None and one.visible_at <= now:
                return {"number": one.number}
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """The client that asked was killed."""


def _handler_of(marketplace: CountingMarketplace) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            kind, _, name = self.path.lstrip("/").partition("/")
            if kind == "gate":
                marketplace.wait_at(name)
                self._answer(200, {})
            else:
                self._answer(200, {"found": marketplace.look_up(name)})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind, _, reference = self.path.lstrip("/").partition("/")
            if kind == "refuse":
                self._answer(409, {"error": "it is not for sale"})
                return
            write = marketplace.take(reference)
            made = {"number": write.number}
            first, _, rest = write.treatment.partition(" ")
            if first == "gate":
                marketplace.wait_at(rest)
            elif first == "slow":
                time.sleep(0.3)
            if rest == "500":
                self._answer(500, {"error": "oops"})
            elif rest == "cut":
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
            else:
                self._answer(200, made)

        def _answer(self, status: int, body: object) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    return Handler
