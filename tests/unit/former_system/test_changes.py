"""A former row that is met again: it is told whether, and how, it changed since."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors.program import PROGRAM
from runtime.former_system.changes import TakenOverRow, change, fingerprint, pause_reason, went_on

NOON = datetime(2026, 1, 9, 12, tzinfo=UTC)
ROW: dict[str, Any] = {"id": 7, "status": "pending", "created_at": NOON, "priority": 2}
BEFORE = TakenOverRow(new_id=31, status="pending", fingerprint=fingerprint(ROW))

values = st.none() | st.integers() | st.text() | st.datetimes(timezones=st.just(UTC))
columns = st.dictionaries(st.text(min_size=1), values)


@given(row=columns, added=st.sets(st.text(min_size=1)))
def test_columns_without_a_value_and_their_order_leave_the_fingerprint_as_it_is(
    row: dict[str, Any], added: set[str]
) -> None:
    grown = dict.fromkeys(added - row.keys()) | dict(reversed(row.items()))
    assert fingerprint(grown) == fingerprint(row)


@given(row=columns, value=st.integers())
def test_every_value_counts_in_the_fingerprint(row: dict[str, Any], value: int) -> None:
    assert fingerprint(row | {"x": value}) != fingerprint(row | {"x": value + 1})


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 1)))  # noqa: DTZ001
def test_a_moment_has_one_fingerprint_in_all_time_zones(moment: datetime) -> None:
    elsewhere = moment.astimezone(timezone(timedelta(hours=-5)))
    assert fingerprint({"at": moment}) == fingerprint({"at": elsewhere})


CHANGES: dict[str, tuple[dict[str, Any], TakenOverRow, str | None]] = {
    "nothing": (ROW, BEFORE, None),
    "a status": (
        ROW | {"status": "running"},
        BEFORE,
        "it was pending and is running there since it was taken over as 31",
    ),
    "another column": (
        ROW | {"priority": 1},
        BEFORE,
        "it was changed there since it was taken over as 31",
    ),
    "a row of which no fingerprint was noted": (
        ROW | {"status": "running"},
        TakenOverRow(31, "pending", None),
        None,
    ),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_is_told_in_words_where_it_can_be_known(kind: str) -> None:
    row, before, told = CHANGES[kind]
    assert change(row, before) == told


@pytest.mark.parametrize(
    ("status", "went"),
    [("pending", False), ("paused", False), (" Paused ", False), ("running", True),
     ("completed", True), ("failed", True), ("unheard of", True), (None, True)],
)  # fmt: skip
def test_a_job_went_on_there_if_it_left_waiting(status: str | None, went: bool) -> None:
    assert went_on(ROW | {"status": status}, BEFORE) is went


def test_a_job_whose_status_is_still_the_same_did_not_go_on() -> None:
    assert not went_on({"status": "running"}, TakenOverRow(31, "running", None))


def test_the_reason_of_a_held_job_names_both_rows_and_both_ways_out() -> None:
    assert pause_reason("user_1.marketplace_jobs", ROW | {"status": "completed"}, BEFORE) == (
        "it went on in the former system after it was taken over (user_1.marketplace_jobs 7: "
        f"pending, then completed): `{PROGRAM} jobs cancel 31` ends it where that is "
        f"enough, `{PROGRAM} jobs resume 31` runs it here too"
    )
