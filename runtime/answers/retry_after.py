"""``Retry-After`` and its kin, read with distrust. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST = timedelta(hours=24)
"""No marketplace is believed that it must be left alone for longer; then it is asked again."""

_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)
_EPOCH_FROM = 1_000_000_000
_EPOCH_MS_FROM = 1_000_000_000_000


def bounded(when: datetime, now: datetime) -> datetime:
    """Not before now, and not after the longest time that is waited for."""
    return min(max(when, now), now + LONGEST)


def retry_after(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """When the marketplace may be called again; None where it does not say, or says nonsense.

    Args:
        headers: by name in lower case.
        now: when the answer came.

    Returns:
        From ``now`` to 24 hours later. A date is read by the clock of the server that gave it.
    """
    value = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        return _later(value, now)
    date = _http_date(value)
    if date is None:
        return None
    server = _http_date(headers.get("date", "")) or now
    return bounded(now + (date - server), now)


def reset_at(value: str, now: datetime) -> datetime | None:
    """When a quota begins anew: seconds from now, or a Unix time in seconds or milliseconds."""
    value = value.strip()
    if not _SECONDS.fullmatch(value):
        return None
    number = float(value[:18])
    if number >= _EPOCH_MS_FROM:
        number /= 1000
    if number >= _EPOCH_FROM:
        number = max(0.0, number - now.timestamp())
    return _later(str(number), now)


def _later(seconds: str, now: datetime) -> datetime:
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
