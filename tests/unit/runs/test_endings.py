"""The steps of each runner between the end of a run and its settlement."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from runtime.errors import HandlerError, JobFailed
from runtime.runs.endings import (
    SELLER_DELAY,
    cannot_be_stored,
    cannot_go_on,
    handed_back,
    looks_again,
    read_end,
)
from runtime.runs.execution import Failed
from runtime.runs.job import Job, Shop
from runtime.runs.job_states import JobEvent, JobStatus, target
from runtime.runs.settlement import Settlement, settlement_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB = Job(
    id=1, fence=3, marketplace="x", action="sync", user_id=7, shop=Shop(2, "2"), priority=3,
    retry_count=0, max_retries=3, rate_limit=timedelta(0), timeout=timedelta(seconds=30),
    created_at=NOW,
)  # fmt: skip
SNOOZED = Settlement(1, 3, JobEvent.SNOOZE, delay=timedelta(seconds=5), keeps_age=True)


def test_an_end_that_can_be_read_is_settled_as_it_says() -> None:
    complaints: list[Exception] = []
    assert read_end(JOB, lambda: SNOOZED, complaints.append) is SNOOZED
    assert complaints == []


def test_an_end_that_cannot_be_read_fails_the_job_and_is_complained_of() -> None:
    complaints: list[Exception] = []

    def decide() -> Settlement:
        raise RecursionError

    settled = read_end(JOB, decide, complaints.append)
    assert (settled.job_id, settled.fence, settled.event) == (1, 3, JobEvent.FAIL)
    assert settled.error == "the handler's RecursionError cannot be read"
    assert [type(one) for one in complaints] == [RecursionError]


def test_a_run_that_is_left_where_it_stands_leaves_its_job_waiting() -> None:
    assert handed_back(JOB) == Settlement(1, 3, JobEvent.HAND_BACK)
    assert target(handed_back(JOB).event) is JobStatus.PENDING


@pytest.mark.parametrize(
    ("end", "kind", "text"),
    [
        (cannot_go_on(KeyError("x")), HandlerError, "the run cannot go on: KeyError"),
        (cannot_be_stored("a NUL"), JobFailed, "the result cannot be stored: a NUL"),
    ],
)
def test_what_is_wrong_with_a_handler_s_values_fails_its_job_at_once(
    end: Failed, kind: type[JobFailed], text: str
) -> None:
    assert isinstance(end.error, kind)
    settled = settlement_of(JOB, end, NOW)
    assert (settled.event, settled.error) == (JobEvent.FAIL, text)


def test_without_word_of_the_seller_the_job_is_tried_again_after_a_while() -> None:
    waits = replace(SNOOZED, awaits_seller=True)
    assert looks_again(waits) == replace(waits, delay=SELLER_DELAY, keeps_age=False)
    assert looks_again(SNOOZED) == SNOOZED
