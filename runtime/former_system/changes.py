"""Decides about rows that changed in the former system after their import. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from runtime.errors.program import PROGRAM
from runtime.runs.job_states import JobStatus

_WAITS = frozenset({JobStatus.PENDING, JobStatus.PAUSED})


@dataclass(frozen=True, slots=True)
class TakenOverRow:
    """A row that was taken over before.

    Attributes:
        new_id: the id of the row that it became here.
        status: its status there at that time; None if that was not noted.
        fingerprint: the digest of the columns that were read; None if that was not noted.
    """

    new_id: int
    status: str | None
    fingerprint: str | None


def fingerprint(row: Mapping[str, Any]) -> str:
    """Return the same value for the same row, even if it got columns without a value since."""
    said = {name: _said(value) for name, value in row.items() if value is not None}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def change(row: Mapping[str, Any], before: TakenOverRow) -> str | None:
    """Say how a row changed; None if it did not, or where nobody knows."""
    # Imports of older versions noted no fingerprint, so nobody can tell of their rows.
    if before.fingerprint is None or before.fingerprint == fingerprint(row):
        return None
    if row.get("status") != before.status:
        was = f"it was {before.status} and is {row.get('status')} there"
    else:
        was = "it was changed there"
    return f"{was} since it was taken over as {before.new_id}"


def went_on(row: Mapping[str, Any], before: TakenOverRow) -> bool:
    """Return whether a job may have been done there since, so that it must wait for a person."""
    # Without this a person would notice a job that is done twice only by a double listing.
    status = row.get("status")
    return status != before.status and str(status).strip().lower() not in _WAITS


def pause_reason(table: str, row: Mapping[str, Any], before: TakenOverRow) -> str:
    """Return what a person is asked about a job that went on there."""
    return (
        f"it went on in the former system after it was taken over ({table} {row['id']}: "
        f"{before.status}, then {row.get('status')}): `{PROGRAM} jobs cancel {before.new_id}` ends "
        f"it where that is enough, `{PROGRAM} jobs resume {before.new_id}` runs it here too"
    )


def _said(value: Any) -> Any:
    # PostgreSQL gives times in the time zone of the session, which may be another at the next
    # import.
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
