"""Times on the command line: read with or without a time zone, shown in local time."""

from datetime import datetime

import typer


def parse_moment(text: str) -> datetime:
    """The ISO time of ``--at``; one without a time zone is local time.

    Raises:
        typer.BadParameter: it is not one.
    """
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter(
            f"{text!r} is not an ISO time such as 2026-01-09T18:00 (local time) "
            "or 2026-01-09T17:00:00Z",
            param_hint="--at",
        ) from None


def local_time(iso: str | None) -> str | None:
    """A moment as a person at this machine reads it."""
    if iso is None:
        return None
    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M:%S")
