"""Reads ``Retry-After`` and similar headers with distrust. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST = timedelta(hours=24)
"""The longest wait that is believed: an answer with a mistake must not close a marketplace for a
year. After this time it is asked again."""

_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)
# A larger number cannot be meant as seconds from now (31 years), so it is a Unix time.
_EPOCH_FROM = 1_000_000_000
_EPOCH_MS_FROM = 1_000_000_000_000


def bounded(when: datetime, now: datetime) -> datetime:
    """Return the time, but at least ``now`` and at most the longest wait after it."""
    return min(max(when, now), now + LONGEST)


def retry_after(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """Return when the marketplace may be called again; None if it does not say, or says nonsense.

    Args:
        headers: the headers by their names in lower case.
        now: the time when the answer came.

    Returns:
        A time from ``now`` to 24 hours later.
    """
    value = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        return _later(value, now)
    date = _http_date(value)
    if date is None:
        return None
    # The date is read by the clock of the server that gave it, which may differ from this one.
    server = _http_date(headers.get("date", "")) or now
    return bounded(now + (date - server), now)


def reset_at(value: str, now: datetime) -> datetime | None:
    """Return when a quota begins anew, or None if the value is no number.

    Args:
        value: the seconds from now, or a Unix time in seconds or milliseconds.
    """
    value = value.strip()
    if not _SECONDS.fullmatch(value):
        return None
    # A stranger wrote it: so many digits are enough, and more would only cost time.
    number = float(value[:18])
    if number >= _EPOCH_MS_FROM:
        number /= 1000
    if number >= _EPOCH_FROM:
        number = max(0.0, number - now.timestamp())
    return _later(str(number), now)


def _later(seconds: str, now: datetime) -> datetime:
    # A stranger wrote the number. With more than six digits it is longer than a day in any case,
    # and a timedelta of it might overflow.
    whole = seconds.partition(".")[0]
    if len(whole.lstrip("0")) > 6:
        return now + LONGEST
    return bounded(now + timedelta(seconds=float(seconds[:32])), now)


def _http_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
