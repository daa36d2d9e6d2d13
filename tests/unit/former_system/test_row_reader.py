"""Former rows: each becomes a job or a batch of here, or is refused with words that help."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InputError
from runtime.errors.program import PROGRAM
from runtime.former_system.row_reader import (
    BEYOND,
    FormerBatch,
    FormerJob,
    KnownAction,
    KnownActions,
    product_reason,
    read_batch,
    read_job,
    running_reason,
)
from runtime.runs.batch_status import BatchStatus
from runtime.runs.job_states import FINAL, JobStatus
from runtime.values.arguments import LARGEST_ID, MOST_RETRIES

NOW = datetime(2026, 1, 9, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PUBLISH = KnownAction(4, "vinted", "publish", 3, 2)
DELETE = KnownAction(5, "vinted", "delete", 2, 2)
ETSY = KnownAction(6, "etsy", "publish", 3, MOST_RETRIES + 1)
ACTIONS = KnownActions({one.id: one for one in (PUBLISH, DELETE, ETSY)}, former={4: DELETE})
JOB: dict[str, Any] = {"id": 7, "action_type_id": 4, "status": "pending"}
BATCH: dict[str, Any] = {"id": 8, "action_type_id": 4, "status": "running"}


def job(**values: Any) -> FormerJob:
    return read_job(JOB | values, ACTIONS, NOW, follows=True)


def batch(**values: Any) -> FormerBatch:
    return read_batch(BATCH | values, ACTIONS, NOW, 1, follows=True)


# --- which action a row names ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("former_id", "follows", "found"),
    [(4, True, PUBLISH), (4, False, DELETE), (5, True, DELETE), (5, False, DELETE)],
)
def test_an_action_type_means_what_it_meant_in_the_table_that_names_it(
    former_id: int, follows: bool, found: KnownAction
) -> None:
    assert ACTIONS.named(former_id, None, follows=follows) == found


@pytest.mark.parametrize("marketplace", [None, "vinted", " Vinted "])
def test_a_marketplace_is_compared_without_regard_to_case_and_blanks(
    marketplace: str | None,
) -> None:
    assert job(marketplace=marketplace).action == PUBLISH


UNKNOWN_ACTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "none": ({"action_type_id": None}, "it names no action type: fill one in"),
    "one that is gone": ({"action_type_id": 99}, "it names action type 99, which does not exist"),
    "no number": ({"action_type_id": "x"}, "it names action type x, which does not exist"),
    "of another marketplace": (
        {"marketplace": "etsy"},
        "it is a job on etsy and names action type 4, which is publish on vinted",
    ),
}


@pytest.mark.parametrize("kind", UNKNOWN_ACTIONS)
def test_a_row_whose_action_cannot_be_found_is_refused(kind: str) -> None:
    values, says = UNKNOWN_ACTIONS[kind]
    with pytest.raises(InputError, match=says):
        job(**values)
    with pytest.raises(InputError, match=says if values.get("action_type_id", 4) else "no action"):
        batch(**values)


@pytest.mark.parametrize("misplaced", [4, 5])
def test_a_row_may_name_an_action_that_is_known_to_stand_under_another_marketplace(
    misplaced: int,
) -> None:
    actions = KnownActions(ACTIONS.by_id, ACTIONS.former, frozenset({misplaced}))
    assert actions.named(4, "etsy", follows=False) == DELETE


def test_a_batch_may_name_its_action_by_marketplace_and_code() -> None:
    named = batch(action_type_id=None, marketplace=" Etsy", action_code="Publish ")
    assert named.action == ETSY


def test_a_batch_with_an_unknown_pair_of_marketplace_and_code_is_refused() -> None:
    with pytest.raises(InputError, match="it names the action fold on etsy, which does not exist"):
        batch(action_type_id=None, marketplace="etsy", action_code="fold")


# --- what becomes of a job ------------------------------------------------------------------


@pytest.mark.parametrize("was", JobStatus)
def test_a_job_keeps_its_status_unless_it_ran(was: JobStatus) -> None:
    read = job(status=f" {was.value.upper()} ")
    assert read.was is was
    assert read.status is (JobStatus.PAUSED if was is JobStatus.RUNNING else was)


def test_a_status_that_is_unknown_here_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"its status is 'odd', which is none of pending, .*"):
        job(status="odd")


@pytest.mark.parametrize(
    ("ends", "expires", "status"),
    [
        (-HOUR, True, JobStatus.EXPIRED),
        (timedelta(0), True, JobStatus.EXPIRED),
        (HOUR, True, JobStatus.PENDING),
        (-HOUR, False, JobStatus.PENDING),
    ],
)
def test_a_waiting_job_expires_if_its_time_is_over_and_jobs_expire(
    ends: timedelta, expires: bool, status: JobStatus
) -> None:
    row = JOB | {"expires_at": NOW + ends}
    read = read_job(row, ACTIONS, NOW, follows=True, expires=expires)
    assert read.status is status
    assert read.completed_at == (row["expires_at"] if status is JobStatus.EXPIRED else None)
    assert read.expires_at == (row["expires_at"] if expires else None)


def test_a_paused_job_never_expires() -> None:
    read = job(status="paused", expires_at=NOW - HOUR)
    assert (read.status, read.expires_at) == (JobStatus.PAUSED, None)


TIMES: dict[str, tuple[dict[str, Any], dict[str, datetime | None]]] = {
    "nothing is known": ({}, {"created_at": NOW, "run_at": NOW, "started_at": None}),
    "only the start is known": (
        {"started_at": NOW - HOUR},
        {"created_at": NOW - HOUR, "run_at": NOW - HOUR, "started_at": NOW - HOUR},
    ),
    "it is scheduled": (
        {"created_at": NOW - HOUR, "run_at": NOW + HOUR},
        {"created_at": NOW - HOUR, "run_at": NOW + HOUR},
    ),
    "it ran": (
        {"status": "running", "created_at": NOW - HOUR},
        {"started_at": NOW - HOUR, "completed_at": None},
    ),
    "it ended": (
        {"status": "failed", "started_at": NOW - HOUR, "completed_at": NOW},
        {"completed_at": NOW},
    ),
    "its end is not known": (
        {"status": "failed", "created_at": NOW - 2 * HOUR, "started_at": NOW - HOUR},
        {"completed_at": NOW - HOUR},
    ),
    "only its creation is known": (
        {"status": "completed", "created_at": NOW - HOUR},
        {"completed_at": NOW - HOUR},
    ),
}


@pytest.mark.parametrize("kind", TIMES)
def test_a_time_that_is_missing_is_taken_from_the_nearest_known_one(kind: str) -> None:
    values, times = TIMES[kind]
    read = job(**values)
    assert {name: getattr(read, name) for name in times} == times


@given(
    status=st.sampled_from(JobStatus),
    times=st.fixed_dictionaries(
        dict.fromkeys(
            ("created_at", "run_at", "started_at", "completed_at", "expires_at"),
            st.none() | st.integers(-9, 9).map(lambda hours: NOW + hours * HOUR),
        )
    ),
)
def test_exactly_the_jobs_that_are_over_have_a_time_of_their_end(
    status: JobStatus, times: dict[str, datetime | None]
) -> None:
    read = job(status=status.value, **times)
    assert (read.completed_at is not None) == (read.status in FINAL)


@pytest.mark.parametrize(
    ("given", "priority"), [(None, 3), (0, 1), (-7, 1), (1, 1), (4, 4), (9, 4)]
)
def test_a_priority_beyond_ours_becomes_the_nearest_one(given: int | None, priority: int) -> None:
    assert job(priority=given).priority == priority
    assert batch(priority=given).priority == priority


@pytest.mark.parametrize(("given", "retries"), [(None, 2), (0, 0), (MOST_RETRIES, MOST_RETRIES)])
def test_a_job_without_a_number_of_retries_has_that_of_its_action(
    given: int | None, retries: int
) -> None:
    assert job(max_retries=given).max_retries == retries


def test_the_retries_of_an_action_are_limited_too() -> None:
    assert job(action_type_id=6).max_retries == MOST_RETRIES


NUMBERS = {
    "retry_count": MOST_RETRIES,
    "max_retries": MOST_RETRIES,
    "product_id": LARGEST_ID,
    "batch_job_id": LARGEST_ID,
    "shop_id": LARGEST_ID,
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_cannot_be_is_refused_by_name(name: str) -> None:
    job(**{name: NUMBERS[name]})
    for wrong in (-1, NUMBERS[name] + 1, "many"):
        with pytest.raises(InputError, match=f"its {name} is {wrong}, which cannot be"):
            job(**{name: wrong})


@pytest.mark.parametrize("read", [job, batch])
def test_a_row_with_a_value_out_of_range_is_refused_in_the_words_of_its_reader(read: Any) -> None:
    read(**{BEYOND: None})
    with pytest.raises(InputError, match="its created_at is 12345-01-01, which cannot be"):
        read(**{BEYOND: "created_at is 12345-01-01"})


def test_json_is_read_and_a_missing_input_is_empty() -> None:
    read = job(input_data='{"product": {"sku": "A1"}}', result_data="[1, null]")
    assert (read.input_data, read.result_data) == ({"product": {"sku": "A1"}}, [1, None])
    assert read.product == {"sku": "A1"}
    assert [job(input_data=one).input_data for one in (None, "null")] == [{}, {}]
    assert job().product is None


WRONG_JSON = {
    "no object": ("[1]", "its input_data is no JSON object"),
    "a NUL": (r'{"a": "\u0000"}', r"its input_data contains \\u0000"),
    "malformed": ("{", r"its input_data cannot be read as JSON \(Expecting"),
    "an endless number": ("9" * 5_000, "its input_data cannot be read as JSON"),
    "deep nesting": ("[" * 200_000, "its input_data cannot be read as JSON"),
}


@pytest.mark.parametrize("kind", WRONG_JSON)
def test_json_that_cannot_be_stored_is_refused_with_the_column(kind: str) -> None:
    text, says = WRONG_JSON[kind]
    with pytest.raises(InputError, match=f"{says}.*: correct it, and import again$"):
        job(input_data=text)


def test_texts_lose_only_what_cannot_be_stored() -> None:
    read = job(error_message="a\0b", idempotency_key="key")
    assert (read.error_message, read.idempotency_key) == (r"a\0b", "key")
    assert (job().error_message, job().idempotency_key) == (None, None)


BEGAN: dict[str, tuple[dict[str, Any], bool]] = {
    "it was never tried": ({}, False),
    "it waits for another attempt": ({"retry_count": 1}, True),
    "it started once": ({"started_at": NOW}, True),
    "it is over": ({"retry_count": 1, "status": "failed"}, False),
}


@pytest.mark.parametrize("kind", BEGAN)
def test_a_waiting_job_that_was_tried_before_is_known_to_have_begun(kind: str) -> None:
    values, began = BEGAN[kind]
    assert job(**values).began_before is began


# --- what becomes of a batch ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "over"),
    [
        ("pending", None),
        ("running", None),
        (None, None),
        ("odd", None),
        (" Completed", BatchStatus.COMPLETED),
        ("partially_failed", BatchStatus.PARTIALLY_FAILED),
        ("failed", BatchStatus.FAILED),
        ("cancelled", BatchStatus.CANCELLED),
    ],
)
def test_a_batch_is_over_only_if_its_status_says_so(
    status: str | None, over: BatchStatus | None
) -> None:
    assert batch(status=status).over is over


def test_a_batch_has_its_creator_and_time_or_those_of_the_import() -> None:
    known = batch(created_by_user_id=9, created_at=NOW - HOUR, completed_at=NOW)
    assert (known.user_id, known.created_at, known.completed_at) == (9, NOW - HOUR, NOW)
    unknown = batch()
    assert (unknown.user_id, unknown.created_at, unknown.completed_at) == (1, NOW, None)


def test_only_counts_of_real_jobs_are_kept_of_a_batch() -> None:
    read = batch(completed_count=2, failed_count=0, cancelled_count=-1)
    assert read.counts == {"completed": 2}


# --- what a person is asked -----------------------------------------------------------------


def test_a_job_that_ran_asks_with_its_marketplace_and_both_commands() -> None:
    assert running_reason("user_1.marketplace_jobs", job(), 31) == (
        "it was running in the former system (user_1.marketplace_jobs 7) when it was taken over, "
        "and nobody knows how far it came: look on vinted, then "
        f"`{PROGRAM} jobs resume 31` runs it again, `{PROGRAM} jobs cancel 31` ends it"
    )


def test_a_job_without_its_product_asks_with_a_line_that_the_import_reads() -> None:
    reason = product_reason("user_1", job(product_id=9))
    assert reason.startswith("its product (9 in user_1) is not here: import it with ")
    assert '{"attributes": {"former_id": "9"}}' in reason
