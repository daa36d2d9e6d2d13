"""Serves requests: the marketplace answers them, unless a planned fault happens."""

import threading
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from runtime.sandbox.delivery import Delivery, Handler, Server
from runtime.sandbox.exchange import Answer, Exchange, Request, Unreadable
from runtime.sandbox.faults import UNDONE, Fault, Faults, Plan
from runtime.sandbox.routes import Call, Route, find

MAX_EXCHANGES = 10_000


class Refused(Exception):
    """A request is answered with an error."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status}: {answer.body}")
        self.answer = answer


@dataclass(frozen=True, slots=True)
class _Late:
    """A call that was left unanswered and has yet to be carried out."""

    lands_at: datetime
    route: Route
    call: Call


class Sandbox(ABC):
    """A simulated marketplace; each kind is a subclass.

    Args:
        now: returns the time for tokens, limits and late effects. Tests give the time of a clock
            that they move by hand.

    Attributes:
        faults: the faults that happen.
        asked: the number of requests for each operation, whatever became of them.
        done: the number of times that each operation was carried out and, if it is a write, had
            its effect.
    """

    routes: tuple[Route, ...] = ()

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.now = now
        self.faults = Faults()
        # A sandbox may run for days; the latest exchanges are enough to tell what happened.
        self._exchanges: deque[Exchange] = deque(maxlen=MAX_EXCHANGES)
        self.asked: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self._late: list[_Late] = []
        # Each connection has a thread, and one lock makes every call happen at one moment. It is
        # taken again by operations that look at the state on their way.
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._server: Server | None = None

    # --- what a marketplace adds ------------------------------------------------------------

    @abstractmethod
    def admit(self, route: Route, call: Call) -> None:
        """Check key, token and limits.

        Raises:
            Refused: with the marketplace's own answer.
        """

    @abstractmethod
    def unknown(self, request: Request) -> Answer:
        """Return the answer to a request for no known operation."""

    @abstractmethod
    def unreadable(self, reason: str) -> Answer:
        """Return the answer to a body that cannot be read."""

    @abstractmethod
    def failed(self) -> Answer:
        """Return the marketplace's 500."""

    @abstractmethod
    def limited(self) -> Answer:
        """Return the marketplace's 429 without any information."""

    def occupied(
        self,
        route: Route,  # noqa: ARG002 - for those that look at it
        call: Call,  # noqa: ARG002
    ) -> AbstractContextManager[None]:
        """Return a context that is held while the call is carried out and its answer is delayed.

        Entering it raises Refused if another call holds what this one needs.
        """
        return nullcontext()

    def dressed(
        self,
        route: Route | None,  # noqa: ARG002 - for those that look at it
        answer: Answer,
    ) -> Answer:
        """Return the answer with the headers that the marketplace adds to every answer."""
        return answer

    # --- from request to answer -------------------------------------------------------------

    def serve(self, request: Request) -> Delivery:
        """Carry the request out; returns its answer, and the fault on the answer's way."""
        self.settle()
        with self._lock:
            found = find(self.routes, request)
            if found is None:
                return Delivery(self._noted(request, None, self.unknown(request)))
            route, call = found
            self.asked[route.operation] += 1
            try:
                self.admit(route, call)
            except Refused as refused:
                return Delivery(self._noted(request, route, refused.answer))
        try:
            # The lock is not held while an answer is slow, so other calls meet what this one
            # occupies.
            with self.occupied(route, call):
                with self._lock:
                    plan = self.faults.take(route.operation)
                    delivery = self._carried_out(request, route, call, plan)
                if plan is not None and plan.fault is Fault.SLOW:
                    # An event instead of a sleep: a sandbox that stops does not wait for slow
                    # answers.
                    self._closing.wait(plan.delay.total_seconds())
                return delivery
        except Refused as refused:
            with self._lock:
                return Delivery(self._noted(request, route, refused.answer))

    def _carried_out(
        self, request: Request, route: Route, call: Call, plan: Plan | None
    ) -> Delivery:
        if plan is None or plan.fault not in UNDONE:
            # The effect comes first and the fault afterwards: that is what makes an answer get
            # lost.
            answer = self._noted(request, route, self._effect(route, call))
            return Delivery(answer, plan, self.failed())
        if plan.fault is Fault.LATE:
            # Refused calls were sorted out before: only a call that is in order can land late.
            self._late.append(_Late(self.now() + plan.lands_after, route, call))
        answer = self.limited() if plan.fault is Fault.LIMITED else self.failed()
        answer = replace(answer, headers={**answer.headers, **plan.headers})
        self._exchanges.append(Exchange(request, route.operation, answer))
        return Delivery(answer, plan, answer)

    def _effect(self, route: Route, call: Call) -> Answer:
        try:
            answer = route.carry_out(call)
        except Refused as refused:
            return refused.answer
        except Unreadable as error:
            return self.unreadable(str(error))
        if answer.status < 400:
            self.done[route.operation] += 1
        return answer

    def _noted(self, request: Request, route: Route | None, answer: Answer) -> Answer:
        dressed = self.dressed(route, answer)
        self._exchanges.append(Exchange(request, route.operation if route else None, dressed))
        return dressed

    @property
    def exchanges(self) -> list[Exchange]:
        """The latest requests with their answers, in order."""
        with self._lock:
            return list(self._exchanges)

    def settle(self) -> None:
        """Carry out the late calls that are due by now; reading a sandbox's state does so, too."""
        with self._lock:
            due = [late for late in self._late if late.lands_at <= self.now()]
            self._late = [late for late in self._late if late not in due]
            for late in due:
                self._effect(late.route, late.call)

    # --- the server -------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The address at which the sandbox listens, such as ``http://127.0.0.1:40123``."""
        if self._server is None:
            raise RuntimeError("the sandbox is not started: use it in a `with` statement")
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> Self:
        """Listen on a free port of this machine."""
        # http.server makes an object for each connection and gives it no argument, so each sandbox
        # has a class of its own.
        handler = type("_Handler", (Handler,), {"serve": self.serve})
        self._server = Server(("127.0.0.1", 0), handler)
        threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="sandbox", daemon=True
        ).start()
        return self

    def stop(self) -> None:
        """Stop listening; the state stays readable."""
        self._closing.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
