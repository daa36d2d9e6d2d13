"""A caller's arguments: a wrong one is refused by name, a right one comes back unchanged."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InputError
from runtime.values.arguments import (
    LARGEST_ID,
    LONGEST_TEXT,
    MOST_RETRIES,
    checked_id,
    checked_moment,
    checked_priority,
    checked_retries,
    checked_text,
    is_storable,
)

NUMBERS: dict[str, tuple[Callable[[Any], int], int, int]] = {
    "id": (lambda value: checked_id(value, "id"), 1, LARGEST_ID),
    "priority": (checked_priority, 1, 4),
    "max_retries": (checked_retries, 0, MOST_RETRIES),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_accepted_from_its_least_to_its_largest_value(name: str) -> None:
    check, least, largest = NUMBERS[name]
    assert [check(least), check(largest)] == [least, largest]
    for beyond in (least - 1, largest + 1):
        with pytest.raises(InputError, match=f"^{name} must be .*, not {beyond}$"):
            check(beyond)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [True, 1.0, "1", None], ids=repr)
def test_a_value_that_only_resembles_a_number_is_refused(name: str, value: object) -> None:
    check, _, _ = NUMBERS[name]
    with pytest.raises(InputError, match=f"^{name} must be .*, not {value!r}$"):
        check(value)


WRONG_TEXTS = {
    "number": (7, "name must be a text that is not empty, not 7"),
    "empty": ("", "name must be a text that is not empty, not ''"),
    "blank": (" \n", r"name must be a text that is not empty, not ' \\n'"),
    "long": ("x" * (LONGEST_TEXT + 1), "name has 256 characters; at most 255 fit"),
    "NUL": ("a\0", r"name contains a character that cannot be stored: 'a\\x00'"),
    "lone surrogate": ("\ud800", r"name contains a character that cannot be stored: '\\ud800'"),
}


@pytest.mark.parametrize("kind", WRONG_TEXTS)
def test_a_text_that_cannot_be_stored_is_refused_by_name(kind: str) -> None:
    value, says = WRONG_TEXTS[kind]
    with pytest.raises(InputError, match=f"^{says}$"):
        checked_text(value, "name")


def test_the_longest_text_is_accepted() -> None:
    assert checked_text("é" * LONGEST_TEXT, "name") == "é" * LONGEST_TEXT


@given(st.text())
def test_every_text_of_real_characters_but_nul_can_be_stored(text: str) -> None:
    assert is_storable(text) == (
        "\0" not in text and not any(0xD800 <= ord(c) < 0xE000 for c in text)
    )


WRONG_MOMENTS = {
    "no datetime": ("tomorrow", "run_at must be a datetime, not 'tomorrow'"),
    "without a zone": (datetime(2026, 1, 9), "run_at must say its time zone: "),  # noqa: DTZ001
    "long ago": (
        datetime(1969, 12, 31, tzinfo=UTC),
        r"run_at must be a time that a calendar has, not 1969-12-31T00:00:00\+00:00",
    ),
    "far away": (
        datetime(9000, 1, 1, tzinfo=UTC),
        r"run_at must be a time that a calendar has, not 9000-01-01T00:00:00\+00:00",
    ),
}


@pytest.mark.parametrize("kind", WRONG_MOMENTS)
def test_a_time_that_names_no_moment_is_refused_by_name(kind: str) -> None:
    value, says = WRONG_MOMENTS[kind]
    with pytest.raises(InputError, match=f"^{says}"):
        checked_moment(value, "run_at")


def test_a_moment_keeps_its_time_zone() -> None:
    there = datetime(2026, 1, 9, tzinfo=timezone(timedelta(hours=5)))
    assert checked_moment(there, "run_at").utcoffset() == timedelta(hours=5)
