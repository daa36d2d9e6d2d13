"""Commands are sent again after a reconnect and after a restart of the bridge."""

from typing import Any

import pytest

from runtime import messages
from runtime.errors import CallTimeout, ConnectionLost, SellerNotConnected
from tests.support.bridge.actor_harness import ASKER, Bridge, ok


@pytest.fixture
def bridge() -> Bridge:
    return Bridge()


# --- reconnecting ---------------------------------------------------------------------------


def test_a_disconnect_fails_nothing_at_once(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.request()
    bridge.disconnect("a")
    bridge.advance(19)
    assert bridge.outcomes == []


def test_who_resumes_gets_the_command_again(bridge: Bridge) -> None:
    bridge.connect("a", resume=True)
    bridge.request(writes=True)
    bridge.disconnect("a")
    bridge.advance(19)
    bridge.connect("b", resume=True)
    assert bridge.emitted == [("a", "r1"), ("b", "r1")]
    assert bridge.server.emitted[0][1] == bridge.server.emitted[1][1]
    bridge.advance(60)
    bridge.respond("b", ok(data=1))
    assert bridge.outcomes == [1]


@pytest.mark.parametrize(("before", "after"), [(False, False), (True, False), (False, True)])
def test_who_does_not_resume_is_never_sent_it_twice(
    bridge: Bridge, before: bool, after: bool
) -> None:
    bridge.connect("a", resume=before)
    bridge.request(writes=True)
    bridge.disconnect("a")
    bridge.connect("b", resume=after)
    assert bridge.emitted == [("a", "r1")]
    bridge.advance(299)
    assert bridge.outcomes == []
    bridge.respond("b", ok(data=1))
    assert bridge.outcomes == [1]


def test_who_does_not_resume_and_does_not_answer_is_unknown_in_the_end(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.request(writes=True)
    bridge.disconnect("a")
    bridge.connect("b")
    bridge.advance(300)
    assert isinstance(bridge.outcomes[0], CallTimeout)


@pytest.mark.parametrize(
    ("before", "after", "times"),
    [("laptop", "laptop", 2), ("laptop", "desktop", 1), ("laptop", None, 1), (None, "laptop", 1)],
)
def test_another_memory_is_not_sent_it(
    bridge: Bridge, before: str | None, after: str | None, times: int
) -> None:
    bridge.connect("a", resume=True, client_id=before)
    bridge.request(writes=True)
    bridge.disconnect("a")
    bridge.connect("b", resume=True, client_id=after)
    assert len(bridge.emitted) == times


def test_a_second_tab_is_never_sent_it(bridge: Bridge) -> None:
    bridge.connect("a", resume=True)
    bridge.connect("b", resume=True)
    bridge.request()
    bridge.disconnect("b")
    bridge.advance(100)
    assert bridge.emitted == [("b", "r1")]
    assert bridge.outcomes == []


def test_a_second_tab_of_the_same_memory_that_was_there_before_is_not_sent_it(
    bridge: Bridge,
) -> None:
    bridge.connect("a", resume=True, client_id="laptop")
    bridge.connect("b", resume=True, client_id="laptop")
    bridge.request()
    bridge.disconnect("b")
    assert bridge.emitted == [("b", "r1")]


def test_a_third_tab_of_another_seller_is_not_sent_it(bridge: Bridge) -> None:
    bridge.connect("a", resume=True)
    bridge.request()
    bridge.disconnect("a")
    bridge.connect("b", user_id=8, resume=True)
    assert bridge.emitted == [("a", "r1")]


def test_a_client_back_before_its_old_socket_was_noticed_gone(bridge: Bridge) -> None:
    bridge.connect("a", resume=True, client_id="laptop")
    bridge.request(writes=True)
    bridge.connect("b", resume=True, client_id="laptop")
    assert bridge.emitted == [("a", "r1")]
    bridge.disconnect("a")
    assert bridge.emitted == [("a", "r1"), ("b", "r1")]


def test_without_a_client_id_it_cannot_be_told_from_a_second_tab(bridge: Bridge) -> None:
    bridge.connect("a", resume=True)
    bridge.request(writes=True)
    bridge.connect("b", resume=True)
    bridge.disconnect("a")
    assert bridge.emitted == [("a", "r1")]


def test_flapping_sends_once_for_each_return(bridge: Bridge) -> None:
    bridge.connect("s0", resume=True)
    bridge.request()
    for number in range(1, 18):
        bridge.disconnect(f"s{number - 1}")
        bridge.advance(19)
        bridge.connect(f"s{number}", resume=True)
    assert [sid for sid, _ in bridge.emitted] == [f"s{number}" for number in range(16)]
    assert isinstance(bridge.outcomes[0], CallTimeout)


def test_an_answer_after_the_reconnect_of_the_same_tab_without_resume(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.request()
    bridge.disconnect("a")
    bridge.connect("b")
    assert bridge.respond("b", ok(data=1)) == {"status": "ok", "request_id": "r1"}


def test_the_grace_passes(bridge: Bridge) -> None:
    bridge.connect("a", resume=True)
    bridge.request("read")
    bridge.request("write", writes=True)
    bridge.disconnect("a")
    bridge.advance(20)
    read, write = bridge.outcomes
    assert type(read) is SellerNotConnected
    assert type(write) is ConnectionLost
    assert write.writes
    assert "user 7" in str(write)
    bridge.connect("b", resume=True)
    assert len(bridge.emitted) == 2


def test_each_disconnect_has_a_grace_of_its_own(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.request()
    bridge.disconnect("a")
    bridge.advance(15)
    bridge.connect("b")
    bridge.disconnect("b")
    bridge.advance(15)
    bridge.actor.receive(messages.GraceOver(7))
    assert bridge.outcomes == []
    bridge.advance(5)
    assert len(bridge.outcomes) == 1


def test_after_the_grace_nobody_is_sent_it_again(bridge: Bridge) -> None:
    bridge.connect("other")
    bridge.connect("a", resume=True)
    bridge.request()
    bridge.disconnect("a")
    bridge.advance(21)
    bridge.connect("b", resume=True)
    assert bridge.emitted == [("a", "r1")]
    assert bridge.outcomes == []


# --- restart --------------------------------------------------------------------------------


def test_a_restarted_bridge_learns_who_is_there(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.directory.told.clear()
    bridge.start()
    assert bridge.told(ASKER) == [messages.SellerConnected(7)]


@pytest.mark.parametrize(("resume", "times"), [(True, 2), (False, 1)])
def test_asked_again_after_a_restart(bridge: Bridge, resume: bool, times: int) -> None:
    bridge.connect("a", resume=resume)
    bridge.request(writes=True)
    bridge.start()
    bridge.request(writes=True, repeated=True)
    assert bridge.emitted == [("a", "r1")] * times
    if resume:
        assert bridge.server.emitted[1][1]["repeated"] is True
    bridge.advance(10)
    assert bridge.respond("a", ok(data=1)) == {"status": "ok", "request_id": "r1"}
    assert bridge.outcomes == [1]


def test_asked_again_without_an_answer_times_out(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.start()
    bridge.request(writes=True, repeated=True)
    bridge.advance(300)
    assert isinstance(bridge.outcomes[0], CallTimeout)


@pytest.mark.parametrize(
    ("other", "writes", "times"),
    [("laptop", True, 1), ("desktop", True, 0), ("desktop", False, 1)],
)
def test_of_several_memories_a_write_is_repeated_to_none(
    bridge: Bridge, other: str, writes: bool, times: int
) -> None:
    bridge.connect("a", resume=True, client_id="laptop")
    bridge.connect("b", resume=True, client_id=other)
    bridge.start()
    bridge.request(writes=writes, repeated=True)
    assert len(bridge.emitted) == times


def test_a_tab_that_does_not_resume_keeps_a_write_from_being_repeated(bridge: Bridge) -> None:
    bridge.connect("a", resume=True)
    bridge.connect("b")
    bridge.start()
    bridge.request(writes=True, repeated=True)
    assert bridge.emitted == []


def test_asked_again_while_the_seller_is_away(bridge: Bridge) -> None:
    bridge.start()
    bridge.request("r1", writes=True, repeated=True)
    bridge.advance(10)
    bridge.connect("a", resume=True)
    assert bridge.emitted == [("a", "r1")]
    bridge.request("r2", user_id=8, repeated=True)
    bridge.advance(20)
    assert isinstance(bridge.outcomes[0], SellerNotConnected)


def test_requests_wait_until_it_is_known_who_is_there(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.start(announce=False)
    bridge.request("r1")
    bridge.request("r2")
    bridge.actor.receive(messages.BrowserCommandWithdrawn("r2"))
    assert bridge.outcomes == []
    bridge.server.deliver = bridge.actor.receive
    bridge.server.announce()
    assert bridge.emitted == [("a", "r1")]


def test_an_answer_between_restart_and_being_asked_again_counts(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.request()
    bridge.start(announce=False)
    answers: list[dict[str, Any]] = []
    bridge.actor.receive(messages.BrowserResponded("a", ok(data=1), answers.append))
    bridge.server.deliver = bridge.actor.receive
    bridge.server.announce()
    assert answers == []
    bridge.request(repeated=True)
    assert answers == [{"status": "ok", "request_id": "r1"}]
    assert bridge.outcomes == [1]
    assert bridge.emitted == [("a", "r1")]


def test_a_foreign_answer_between_restart_and_being_asked_again(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.connect("b", user_id=8)
    bridge.start()
    answers: list[dict[str, Any]] = []
    bridge.actor.receive(messages.BrowserResponded("b", ok(data=1), answers.append))
    bridge.request(repeated=True)
    assert answers == [{"status": "refused", "request_id": "r1"}]
    assert bridge.outcomes == []


def test_an_answer_nobody_asks_for_after_a_restart_is_unknown_in_the_end(bridge: Bridge) -> None:
    bridge.connect("a")
    bridge.start()
    answers: list[dict[str, Any]] = []
    bridge.actor.receive(messages.BrowserResponded("a", ok(), answers.append))
    assert answers == []
    bridge.advance(2)
    assert answers == [{"status": "unknown", "request_id": "r1"}]
