"""The next firing of a cron expression, in a time zone."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InputError
from runtime.jobs.cron import checked_cron, next_firing

ZONES = ["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata",
         "Pacific/Apia", "America/St_Johns"]  # fmt: skip
MINUTE = timedelta(minutes=1)

moments = st.integers(1_577_836_800, 2_051_222_400).map(lambda s: datetime.fromtimestamp(s, UTC))
zones = st.sampled_from(ZONES)
minutes, hours, weekdays = st.integers(0, 59), st.integers(0, 23), st.integers(0, 6)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def firings(cron: str, zone: str, after: str, count: int) -> list[str]:
    found, moment = [], at(after)
    for _ in range(count):
        moment = next_firing(cron, zone, moment)
        found.append(moment.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes"))
    return found


@given(st.tuples(minutes, hours, weekdays), zones, moments)
def test_it_fires_later_at_what_the_clock_on_the_wall_shows(
    fields: tuple[int, int, int], zone: str, after: datetime
) -> None:
    minute, hour, weekday = fields
    fires = next_firing(f"{minute} {hour} * * {weekday}", zone, after)
    assert after < fires <= after + timedelta(days=15)
    local = fires.astimezone(ZoneInfo(zone))
    if (local.hour, local.minute) != (hour, minute):
        # The wall never showed it on that day: it fires right behind the gap.
        before = (fires - MINUTE).astimezone(ZoneInfo(zone))
        offset_before, offset = before.utcoffset(), local.utcoffset()
        assert offset_before is not None
        assert offset is not None
        assert offset_before < offset
    else:
        assert local.isoweekday() % 7 == weekday


@given(minutes, zones, moments)
def test_every_hour_is_every_hour_whatever_the_clocks_do(
    minute: int, zone: str, after: datetime
) -> None:
    first = next_firing(f"{minute} * * * *", zone, after)
    second = next_firing(f"{minute} * * * *", zone, first)
    usual = {timedelta(hours=1)}
    if zone == "Australia/Lord_Howe":
        usual |= {timedelta(minutes=30), timedelta(minutes=90)}
    assert second - first in usual


@given(st.sampled_from(["*/7 * * * *", "15,45 */5 * * *", "0 0 1 * *", "30 2 * * *", "0 0 L 2 *"]),
       zones, moments, st.floats(0, 1))  # fmt: skip
def test_nothing_fires_in_between(cron: str, zone: str, after: datetime, share: float) -> None:
    first = next_firing(cron, zone, after)
    between = after + (first - after) * share
    if between < first:
        assert next_firing(cron, zone, between) == first


def test_in_spring_the_hour_that_is_left_out_fires_right_behind_it() -> None:
    assert firings("30 2 * * *", "Europe/Paris", "2026-03-28T12:00Z", 2) == [
        "2026-03-29T03:00+02:00",
        "2026-03-30T02:30+02:00",
    ]


def test_in_autumn_the_hour_that_comes_twice_fires_once() -> None:
    assert firings("30 2 * * *", "Europe/Paris", "2026-10-24T12:00Z", 2) == [
        "2026-10-25T02:30+02:00",
        "2026-10-26T02:30+01:00",
    ]


@pytest.mark.parametrize(
    ("cron", "says"),
    [
        ("0 0 31 2 *", r"'0 0 31 2 \*' cannot be used \(bad day-of-month\).*days that exist"),
        ("0 0 31 4,6 *", "bad day-of-month"),
        ("61 * * * *", "bad minute"),
        ("* * * *", "must have 5 fields"),
        ("*/5 * * * * *", "must have 5 fields"),
        ("@daily", "must have 5 fields"),
        ("", "must have 5 fields"),
        ("a b c d e", "bad minute"),
        ("0 0 * * 8", "bad day-of-week"),
    ],
)
def test_what_never_fires_or_cannot_be_read_is_refused(cron: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        checked_cron(cron, "UTC", at("2026-01-09T00:00Z"))


@pytest.mark.parametrize("zone", ["Paris", "", "../etc/passwd", "Europe/", "Europe", "\0", None])
def test_an_unknown_zone_is_refused(zone: Any) -> None:
    with pytest.raises(InputError, match="is not known: give an IANA name"):
        checked_cron("0 6 * * *", zone, at("2026-01-09T00:00Z"))


def test_spaces_do_not_matter() -> None:
    assert checked_cron("  0  6 * *\tMON ", "UTC", at("2026-01-09T00:00Z")) == "0 6 * * MON"
