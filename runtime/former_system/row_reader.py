"""Reads rows of the former system, and decides what becomes of each. Pure.

Each function raises :class:`runtime.errors.InputError` if a row cannot be taken over.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runtime.errors import InputError
from runtime.errors.program import PROGRAM
from runtime.errors.safe_text import storable
from runtime.runs.batch_status import BatchStatus
from runtime.runs.job_states import FINAL, JobStatus
from runtime.runs.journal import MAX_RESULT_BYTES
from runtime.values.arguments import LARGEST_ID, MOST_RETRIES
from runtime.values.json_values import MAX_BYTES, checked_json

BEYOND = "values beyond"
"""The key of a row's values that are out of range, in words; its value is None if none is."""
CRITICAL, LOW = 1, 4
_OVER = frozenset(BatchStatus) - {BatchStatus.PENDING, BatchStatus.RUNNING}


@dataclass(frozen=True, slots=True)
class KnownAction:
    """A row of ``public.marketplace_action_types``."""

    id: int
    marketplace: str
    code: str
    priority: int
    max_retries: int


@dataclass(frozen=True, slots=True)
class KnownActions:
    """Finds the action types that jobs of the former system name.

    Attributes:
        by_id: the rows of today.
        former: the meaning of the former table's ids, which may have changed.
        misplaced: the ids of former rows that belonged to another marketplace than their table.
    """

    by_id: Mapping[int, KnownAction]
    former: Mapping[int, KnownAction]
    misplaced: frozenset[int] = frozenset()

    def named(self, former_id: object, marketplace: object, *, follows: bool) -> KnownAction:
        """Return the action type that a row names.

        Args:
            follows: whether the row's table has a foreign key on the rows of today.

        Raises:
            InputError: there is no such action type, or it belongs to another marketplace.
        """
        if former_id is None:
            raise InputError("it names no action type: fill one in, and import again")
        found = None
        # Ids of a table without a foreign key did not follow the migrations, so that they mean the
        # rows of the former table first.
        if isinstance(former_id, int):
            found = None if follows else self.former.get(former_id)
            found = found or self.by_id.get(former_id)
        if found is None:
            raise InputError(
                f"it names action type {former_id}, which does not exist any more: insert it into "
                "public.marketplace_action_types with that id, and import again"
            )
        other = marketplace is not None and _word(marketplace) != found.marketplace
        if other and former_id not in self.misplaced and found.id not in self.misplaced:
            raise InputError(
                f"it is a job on {marketplace} and names action type {former_id}, which is "
                f"{found.code} on {found.marketplace}: correct one of them, and import again"
            )
        return found

    def coded(self, marketplace: object, code: object) -> KnownAction:
        """Return the action type of a pair.

        Raises:
            InputError: there is no such action type.
        """
        for one in self.by_id.values():
            if (one.marketplace, one.code) == (_word(marketplace), _word(code)):
                return one
        raise InputError(
            f"it names the action {code} on {marketplace}, which does not exist: correct it, and "
            "import again"
        )


@dataclass(frozen=True, slots=True)
class FormerJob:
    """A checked job of the former system.

    Attributes:
        was: its status there.
        status: its status here.
    """

    id: int
    action: KnownAction
    was: JobStatus
    status: JobStatus
    priority: int
    input_data: dict[str, Any]
    result_data: Any
    error_message: str | None
    retry_count: int
    max_retries: int
    product_id: int | None
    batch_id: int | None
    shop_id: int | None
    idempotency_key: str | None
    created_at: datetime
    run_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    expires_at: datetime | None

    @property
    def product(self) -> Any:
        """The product that stands in the job, or None."""
        return self.input_data.get("product")

    @property
    def began_before(self) -> bool:
        """Whether the job waits for another attempt, so that it began there before."""
        tried = self.retry_count > 0 or self.started_at is not None
        return tried and self.status is JobStatus.PENDING


@dataclass(frozen=True, slots=True)
class FormerBatch:
    """A checked batch of the former system.

    Attributes:
        over: its status there if it was over, or None.
        counts: its counts there, for a batch whose jobs are gone.
    """

    id: int
    action: KnownAction
    over: BatchStatus | None
    priority: int
    user_id: int
    created_at: datetime
    completed_at: datetime | None
    counts: dict[str, int]


def read_job(
    row: Mapping[str, Any],
    actions: KnownActions,
    now: datetime,
    *,
    follows: bool,
    expires: bool = True,
) -> FormerJob:
    """Decide what becomes of a job.

    A job that ran there waits for a person: it has no journal, so nobody knows how far it came.
    A job that waited goes on waiting, unless its time is over. A paused job never expires,
    because its time would be over as soon as it is resumed.

    Args:
        now: the database's time.
        expires: whether waiting jobs expire.

    Raises:
        InputError: the job cannot be taken over; the message says why and what to do.
    """
    _check_in_range(row)
    action = actions.named(row["action_type_id"], row.get("marketplace"), follows=follows)
    was = _status(row["status"])
    created = row.get("created_at") or row.get("started_at") or now
    expires_at = row.get("expires_at") if expires and was is not JobStatus.PAUSED else None
    # Whether a job that ran had its effect on the marketplace is for a person to find out.
    status = JobStatus.PAUSED if was is JobStatus.RUNNING else was
    if was is JobStatus.PENDING and expires_at is not None and expires_at <= now:
        status = JobStatus.EXPIRED
    return FormerJob(
        id=row["id"],
        action=action,
        was=was,
        status=status,
        priority=_priority(row.get("priority"), action),
        input_data=_object(row.get("input_data")),
        result_data=_json(row.get("result_data"), "result_data", MAX_RESULT_BYTES),
        error_message=_text(row.get("error_message")),
        retry_count=_number(row, "retry_count", MOST_RETRIES) or 0,
        max_retries=_retries(row, action),
        product_id=_number(row, "product_id"),
        batch_id=_number(row, "batch_job_id"),
        shop_id=_number(row, "shop_id"),
        idempotency_key=_text(row.get("idempotency_key")),
        created_at=created,
        run_at=row.get("run_at") or created,
        # Without a time the job would count as never begun, and could expire after a person has
        # resumed it.
        started_at=row.get("started_at") or (created if was is JobStatus.RUNNING else None),
        completed_at=_ended(row, status, was, created),
        expires_at=expires_at,
    )


def read_batch(
    row: Mapping[str, Any], actions: KnownActions, now: datetime, user_id: int, *, follows: bool
) -> FormerBatch:
    """Decide what becomes of a batch.

    Raises:
        InputError: see :func:`read_job`.
    """
    _check_in_range(row)
    if row.get("action_type_id") is not None:
        action = actions.named(row["action_type_id"], row.get("marketplace"), follows=follows)
    elif row.get("action_code") is not None:
        action = actions.coded(row.get("marketplace"), row["action_code"])
    else:
        raise InputError(
            "it names no action: fill in its action_code or action_type_id, and import again"
        )
    word = _word(row.get("status"))
    named = {one: row.get(f"{one}_count") for one in ("completed", "failed", "cancelled")}
    return FormerBatch(
        id=row["id"],
        action=action,
        over=BatchStatus(word) if word in _OVER else None,
        priority=_priority(row.get("priority"), action),
        user_id=_number(row, "created_by_user_id") or user_id,
        created_at=row.get("created_at") or now,
        completed_at=row.get("completed_at"),
        counts={name: number for name, number in named.items() if number and number > 0},
    )


def running_reason(table: str, job: FormerJob, new_id: int) -> str:
    """Return the question to a person about a job that ran when it was taken over."""
    return (
        f"it was running in the former system ({table} {job.id}) when it was taken over, and "
        f"nobody knows how far it came: look on {job.action.marketplace}, then "
        f"`{PROGRAM} jobs resume {new_id}` runs it again, `{PROGRAM} jobs cancel {new_id}` ends it"
    )


def product_reason(schema: str, job: FormerJob) -> str:
    """Return the reason why a job waits whose product is not here."""
    return (
        f"its product ({job.product_id} in {schema}) is not here: import it with "
        f'`{PROGRAM} products import`, {{"attributes": {{"former_id": "{job.product_id}"}}}} in '
        f"its line, then run `{PROGRAM} import-former` again"
    )


def _check_in_range(row: Mapping[str, Any]) -> None:
    if row.get(BEYOND):
        raise InputError(f"its {row[BEYOND]}, which cannot be: correct it, and import again")


def _word(value: object) -> str:
    return str(value or "").strip().lower()


def _status(value: object) -> JobStatus:
    try:
        return JobStatus(_word(value))
    except ValueError:
        known = ", ".join(JobStatus)
        raise InputError(
            f"its status is {value!r}, which is none of {known}: correct it, and import again"
        ) from None


def _priority(value: object, action: KnownAction) -> int:
    # Priorities of the former system may lie beyond ours; the nearest one says what was meant.
    given = value if isinstance(value, int) else action.priority
    return min(max(given, CRITICAL), LOW)


def _retries(row: Mapping[str, Any], action: KnownAction) -> int:
    given = _number(row, "max_retries", MOST_RETRIES)
    return min(action.max_retries if given is None else given, MOST_RETRIES)


def _number(row: Mapping[str, Any], name: str, largest: int = LARGEST_ID) -> int | None:
    value = row.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or not 0 <= value <= largest:
        raise InputError(f"its {name} is {value}, which cannot be: correct it, and import again")
    return value


def _object(text: str | None) -> dict[str, Any]:
    value = _json(text, "input_data", MAX_BYTES)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError("its input_data is no JSON object: correct it, and import again")
    return value


def _json(text: str | None, name: str, most: int) -> Any:
    if text is None:
        return None
    try:
        return checked_json(json.loads(text), name, max_bytes=most)
    except InputError as error:
        raise InputError(f"its {error}: correct it, and import again") from None
    except (ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"its {name} cannot be read as JSON ({reason}): correct it, and import again"
        ) from None


def _text(value: str | None) -> str | None:
    return None if value is None else storable(value)


def _ended(
    row: Mapping[str, Any], status: JobStatus, was: JobStatus, created: datetime
) -> datetime | None:
    if status not in FINAL:
        return None
    # Only a job that expires by this import ends with another status than it had there.
    if status is not was:
        return row.get("expires_at")
    return row.get("completed_at") or row.get("started_at") or created
