"""The parts that simulated marketplaces are made of."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.sandbox import Answer, Fault, Faults, Quota, Request, Route, Unreadable
from runtime.sandbox.routes import find, matched
from tests.support.marketplaces.sandboxes import still_clock

SECOND = timedelta(seconds=1)


def nothing(_call: object) -> Answer:
    return Answer()


# --- quotas ---------------------------------------------------------------------------------


@given(
    limit=st.integers(0, 5),
    pauses=st.lists(st.floats(0, 20).map(lambda s: timedelta(seconds=s)), max_size=40),
)
def test_no_rolling_window_ever_holds_more_calls_than_its_limit(
    limit: int, pauses: list[timedelta]
) -> None:
    clock = still_clock()
    quota = Quota(limit, 10 * SECOND, clock.now, rolling=True)
    taken = []
    for pause in pauses:
        clock.advance(pause)
        had_room = quota.remaining > 0
        assert quota.take() == had_room
        taken += [clock.now()] if had_room else []
        within = [one for one in taken if one > clock.now() - 10 * SECOND]
        assert quota.count == len(within) <= limit


@given(
    pauses=st.lists(st.integers(0, 20).map(lambda s: timedelta(seconds=s)), min_size=1, max_size=40)
)
def test_a_fixed_window_starts_with_its_first_call_and_ends_whole(
    pauses: list[timedelta],
) -> None:
    clock = still_clock()
    quota = Quota(3, 10 * SECOND, clock.now, rolling=False)
    starts: list[datetime] = []
    for pause in pauses:
        clock.advance(pause)
        if not starts or clock.now() - starts[-1] >= 10 * SECOND:
            starts.append(clock.now())
        quota.take()
        assert quota.reset == starts[-1] + 10 * SECOND
        assert 1 <= quota.count <= 3


# --- routes ---------------------------------------------------------------------------------


def test_a_literal_path_wins_over_a_variable() -> None:
    routes = [
        Route("one", "GET", "/users/{id}", frozenset(), nothing),
        Route("me", "GET", "/users/me", frozenset(), nothing),
    ]
    for ordered in (routes, routes[::-1]):
        found = find(ordered, Request("GET", "/users/me"))
        assert found is not None
        assert found[0].operation == "me"
    assert find(routes, Request("POST", "/users/me")) is None


def test_a_variable_is_one_encoded_segment() -> None:
    assert matched("/item/{sku}", "/item/a%2Fb%20c") == {"sku": "a/b c"}
    assert matched("/item/{sku}", "/item/a/b") is None
    assert matched("/item/{sku}", "/item/") is None


# --- requests -------------------------------------------------------------------------------


@given(picture=st.binary(max_size=200) | st.just(b"\xff\xd8\r\n--not-the-end\x00"))
def test_parts_of_a_multipart_body_keep_their_bytes(picture: bytes) -> None:
    body = (
        b'--edge\r\nContent-Disposition: form-data; name="rank"\r\n\r\n2\r\n'
        b'--edge\r\nContent-Disposition: form-data; name="image"; filename="1.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n" + picture + b"\r\n--edge--\r\n"
    )
    headers = {"content-type": "multipart/form-data; boundary=edge"}
    rank, image = Request("POST", "/", "", headers, body).parts()
    assert (rank.name, rank.content, rank.filename) == ("rank", b"2", None)
    assert (image.name, image.content, image.filename) == ("image", picture, "1.jpg")


@pytest.mark.parametrize("read", [Request.json, Request.form_pairs, Request.parts])
def test_a_body_that_cannot_be_read_is_said_to_be(read: object) -> None:
    with pytest.raises(Unreadable):
        read(Request("POST", "/", "", {"content-type": "text/plain"}, b"\xff\x00"))  # type: ignore[operator]


# --- faults ---------------------------------------------------------------------------------


def test_plans_are_taken_in_order_each_for_its_own_calls() -> None:
    faults = Faults()
    faults.plan("a", Fault.FAILED, after=1)
    faults.plan("*", Fault.SLOW, times=2)

    def taken(operation: str) -> Fault | None:
        plan = faults.take(operation)
        return plan.fault if plan else None

    assert taken("b") is Fault.SLOW
    # The first is spared by one plan, and met by the next.
    assert [taken("a"), taken("a"), taken("a")] == [Fault.SLOW, Fault.FAILED, None]
