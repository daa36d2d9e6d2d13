"""Checks of a caller's arguments: an error names the argument, as the database's would not."""

from datetime import datetime
from typing import Any

from runtime.errors import InputError

LARGEST_ID = 2**63 - 1
LONGEST_TEXT = 255
MOST_RETRIES = 1_000
YEARS = range(1970, 9000)
PRIORITIES = range(1, 5)


def checked_id(value: Any, name: str) -> int:
    """Check a positive number that fits a bigint.

    Raises:
        InputError: the value is no such number.
    """
    # A bool is an int in Python, but nobody means the id 1 by True.
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= LARGEST_ID:
        raise InputError(f"{name} must be a whole number from 1 to {LARGEST_ID}, not {value!r}")
    return value


def checked_text(value: Any, name: str) -> str:
    """Check a text: it is not blank, and PostgreSQL can store and index it.

    Raises:
        InputError: the value is no such text.
    """
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{name} must be a text that is not empty, not {value!r}")
    if len(value) > LONGEST_TEXT:
        raise InputError(f"{name} has {len(value):,} characters; at most {LONGEST_TEXT} fit")
    if not is_storable(value):
        raise InputError(f"{name} contains a character that cannot be stored: {value!r}")
    return value


def is_storable(value: str) -> bool:
    """Return whether PostgreSQL can store the text: it has no NUL and no lone surrogate."""
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def checked_priority(value: Any) -> int:
    """Check a priority from 1 (critical) to 4 (low).

    Raises:
        InputError: the value is no priority.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value not in PRIORITIES:
        raise InputError(
            f"priority must be 1 (critical), 2 (high), 3 (normal) or 4 (low), not {value!r}"
        )
    return value


def checked_retries(value: Any) -> int:
    """Check the number of times that a job may be tried again.

    Raises:
        InputError: the value is no whole number from 0 to ``MOST_RETRIES``.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_RETRIES:
        raise InputError(f"max_retries must be a number from 0 to {MOST_RETRIES:,}, not {value!r}")
    return value


def checked_moment(value: Any, name: str) -> datetime:
    """Check a datetime that names one moment.

    Raises:
        InputError: the value is no datetime, or has no time zone.
    """
    if not isinstance(value, datetime):
        raise InputError(f"{name} must be a datetime, not {value!r}")
    if value.utcoffset() is None:
        raise InputError(
            f"{name} must say its time zone: pass datetime.now(UTC) + ..., "
            f"or {value!r}.astimezone() for local time"
        )
    if value.year not in YEARS:
        raise InputError(f"{name} must be a time that a calendar has, not {value.isoformat()}")
    return value
