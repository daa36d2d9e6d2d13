"""In every history, no command is sent twice to a client that forgets, and each ends once."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runtime import messages
from runtime.messages import CallTicket
from tests.support.bridge.actor_harness import ASKER, Bridge, ok
from tests.support.examples import examples

USERS = (7, 7, 7, 8)
CLIENTS = (None, "laptop", "desktop")
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("connect"),
            st.sampled_from(USERS),
            st.booleans(),
            st.sampled_from(CLIENTS),
        ),
        st.tuples(st.just("disconnect"), st.integers(0, 5)),
        st.tuples(st.just("request"), st.sampled_from(USERS), st.booleans()),
        st.tuples(st.just("again"), st.integers(0, 5)),
        st.tuples(st.just("respond"), st.integers(0, 5), st.integers(0, 5)),
        st.tuples(st.just("withdraw"), st.integers(0, 5)),
        st.tuples(st.just("advance"), st.sampled_from([1, 15, 25, 100])),
        st.tuples(st.just("restart")),
    ),
    min_size=6,
    max_size=40,
)


@dataclass
class World:
    """The events of a random history, seen from outside."""

    bridge: Bridge = field(default_factory=Bridge)
    sockets: dict[str, messages.SocketConnected] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)
    restarts: int = 0

    def play(self, step: Any) -> None:
        name, *arguments = step
        getattr(self, name)(*arguments)

    def connect(self, user_id: int, resume: bool, client_id: str | None) -> None:
        sid = f"s{len(self.sockets)}"
        self.bridge.connect(sid, user_id, resume=resume, client_id=client_id)
        self.sockets[sid] = self.bridge.server.live[-1]

    def disconnect(self, number: int) -> None:
        if live := self.bridge.server.live:
            self.bridge.disconnect(live[number % len(live)].sid)

    def request(self, user_id: int, writes: bool) -> None:
        request_id = f"r{len(self.requests)}"
        self.requests[request_id] = user_id
        self._ask(request_id, writes=writes)

    def again(self, number: int) -> None:
        for request_id in self._unanswered(number):
            self._ask(request_id, writes=True, repeated=True)

    def respond(self, which: int, number: int) -> None:
        live = self.bridge.server.live
        if live and self.requests:
            request_id = f"r{number % len(self.requests)}"
            self.bridge.respond(live[which % len(live)].sid, ok(request_id))

    def withdraw(self, number: int) -> None:
        for request_id in self._unanswered(number):
            self.withdrawn.add(request_id)
            self.bridge.actor.receive(messages.BrowserCommandWithdrawn(request_id))

    def advance(self, seconds: int) -> None:
        self.bridge.advance(seconds)

    def restart(self) -> None:
        self.restarts += 1
        self.bridge.start()
        for request_id in self._all_unanswered():
            self._ask(request_id, writes=True, repeated=True)

    def ended(self) -> Counter[str]:
        return Counter(
            f"r{message.ticket.job_id}"
            for _, message in self.bridge.directory.told
            if isinstance(message, messages.CallEnded)
        )

    def _ask(self, request_id: str, **changes: Any) -> None:
        ticket = CallTicket(ASKER, int(request_id[1:]), 1, 1)
        self.bridge.request(request_id, self.requests[request_id], ticket=ticket, **changes)

    def _all_unanswered(self) -> list[str]:
        ended = self.ended()
        return [one for one in self.requests if not ended[one] and one not in self.withdrawn]

    def _unanswered(self, number: int) -> list[str]:
        unanswered = self._all_unanswered()
        return [unanswered[number % len(unanswered)]] if unanswered else []


@examples(300)
@given(st.booleans(), st.sampled_from(CLIENTS), STEPS)
def test_never_twice_to_who_forgets_and_ended_exactly_once(
    resume: bool, client_id: str | None, steps: list[Any]
) -> None:
    world = World()
    for step in [("connect", 7, resume, client_id), ("request", 7, True), *steps]:
        world.play(step)
    world.bridge.advance(1_000)

    ended = world.ended()
    for request_id in world.requests:
        assert ended[request_id] == (0 if request_id in world.withdrawn else 1)

    sent: dict[str, list[messages.SocketConnected]] = {}
    for sid, request_id in world.bridge.emitted:
        assert world.sockets[sid].user_id == world.requests[request_id]
        sent.setdefault(request_id, []).append(world.sockets[sid])
    for sockets in sent.values():
        assert sum(not socket.resume for socket in sockets) <= 1
        if not world.restarts:
            memories = {(socket.resume, socket.client_id) for socket in sockets}
            assert len(memories) == 1
            assert len({socket.sid for socket in sockets}) == len(sockets)
