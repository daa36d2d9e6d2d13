"""The server: takes a request, lets the marketplace answer it, and lets go wrong what shall."""

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
    """A request that is answered with an error."""

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
        now: the time that tokens, limits and late effects go by. Tests give a clock's that
            they move by hand.

    Attributes:
        faults: what goes wrong.
        asked: how often each operation was asked for, whatever came of it.
        done: how often each was carried out: with an effect where it is a write.
    """

    routes: tuple[Route, ...] = ()

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.now = now
        self.faults = Faults()
        self._exchanges: deque[Exchange] = deque(maxlen=MAX_EXCHANGES)
        self.asked: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self._late: list[_Late] = []
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
        """The answer where there is no such operation."""

    @abstractmethod
    def unreadable(self, reason: str) -> Answer:
        """The answer to a body that cannot be read."""

    @abstractmethod
    def failed(self) -> Answer:
        """The marketplace's 500."""

    @abstractmethod
    def limited(self) -> Answer:
        """The marketplace's 429, without any information."""

    def occupied(
        self,
        route: Route,  # noqa: ARG002 - for those that look at it
        call: Call,  # noqa: ARG002
    ) -> AbstractContextManager[None]:
        """Held while the call is carried out, and as long as its answer is held back.

        Entering raises Refused where another call holds what this one wants.
        """
        return nullcontext()

    def dressed(
        self,
        route: Route | None,  # noqa: ARG002 - for those that look at it
        answer: Answer,
    ) -> Answer:
        """The answer with what the marketplace puts on every one."""
        return answer

    # --- from request to answer -------------------------------------------------------------

    def serve(self, request: Request) -> Delivery:
        """Carry the request out, and say how the answer gets to the client."""
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
            with self.occupied(route, call):
                with self._lock:
                    plan = self.faults.take(route.operation)
                    delivery = self._carried_out(request, route, call, plan)
                if plan is not None and plan.fault is Fault.SLOW:
                    self._closing.wait(plan.delay.total_seconds())
                return delivery
        except Refused as refused:
            with self._lock:
                return Delivery(self._noted(request, route, refused.answer))

    def _carried_out(
        self, request: Request, route: Route, call: Call, plan: Plan | None
    ) -> Delivery:
        if plan is None or plan.fault not in UNDONE:
            answer = self._noted(request, route, self._effect(route, call))
            return Delivery(answer, plan, self.failed())
        if plan.fault is Fault.LATE:
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
        """Let land what is due by now; reading a sandbox's state does it too."""
        with self._lock:
            due = [late for late in self._late if late.lands_at <= self.now()]
            self._late = [late for late in self._late if late not in due]
            for late in due:
                self._effect(late.route, late.call)

    # --- the server -------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where it listens, such as ``http://127.0.0.1:40123``."""
        if self._server is None:
            raise RuntimeError("the sandbox is not started: use it in a `with` statement")
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> Self:
        """Listen on a free port of this machine."""
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
