"""Reads times of the command line, with or without a time zone, and shows local times."""

import re
from datetime import datetime, timedelta

import typer

LONGEST = timedelta(days=3650)

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_moment(text: str, option: str = "--at") -> datetime:
    """Read the ISO time of an option; a time without a zone is local time.

    Raises:
        typer.BadParameter: it is not one.
    """
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter(
            f"{text!r} is not an ISO time such as 2026-01-09T18:00 (local time) "
            "or 2026-01-09T17:00:00Z",
            param_hint=option,
        ) from None


def parse_duration(text: str, option: str) -> timedelta:
    """Read the length of time of an option, such as ``30d``.

    Raises:
        typer.BadParameter: the text is no length of time, or is zero.
    """
    # Nine digits keep timedelta from an OverflowError; the check below refuses what is too long.
    match = re.fullmatch(r"([0-9]{1,9})([smhdw])", text.strip())
    duration = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta(0)
    if not timedelta(0) < duration <= LONGEST:
        raise typer.BadParameter(
            f"{text!r} is not a length of time such as 45s, 30m, 12h, 30d or 2w "
            f"(more than zero, at most {LONGEST.days} days)",
            param_hint=option,
        )
    return duration


def parse_end(until: str | None, for_: str | None) -> datetime | None:
    """Return the end that ``--until`` or ``--for`` names, or None if neither was given.

    Raises:
        typer.BadParameter: both were given, or one of them cannot be used.
    """
    if until is not None and for_ is not None:
        raise typer.BadParameter("give either --until or --for, not both")
    now = datetime.now().astimezone()
    if for_ is not None:
        return now + parse_duration(for_, "--for")
    if until is None:
        return None
    end = parse_moment(until, "--until")
    if end <= now:
        raise typer.BadParameter(f"{until!r} is in the past", param_hint="--until")
    return end


def local_time(iso: str | None) -> str | None:
    """Show a moment as a person at this machine reads it."""
    if iso is None:
        return None
    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M:%S")
