"""Failure, sorted: what the end of a run means for its job."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import (
    CallRejected,
    CallTimeout,
    CannotTell,
    ConnectionLost,
    DatabaseUnavailable,
    DuplicateStepName,
    ForeignAwait,
    InvalidCall,
    JobFailed,
    NotSent,
    OutcomeUnknown,
    SellerNotConnected,
    Snooze,
    UnknownHandler,
)
from runtime.errors.safe_text import LONGEST_TEXT
from runtime.rate_limits.closures import Level, Scope
from runtime.rate_limits.tree import Blocked
from runtime.runs.execution import Cancelled, CodeChanged, End, Failed, Finished, Snoozed, Undecided
from runtime.runs.failed_steps import note_failed_step
from runtime.runs.failures import FIRST_DELAY
from runtime.runs.job import Job, Shop
from runtime.runs.job_states import JobEvent, JobStatus, after
from runtime.runs.settlement import (
    COOL_DOWN,
    LONGEST_DELAY,
    Settlement,
    backoff,
    settlement_of,
)
from runtime.values.json_values import checked_json

NOW = datetime(2026, 1, 9, tzinfo=UTC)
TOMORROW = timedelta(days=1)


def job(retry_count: int = 0, max_retries: int = 3) -> Job:
    return Job(
        id=1, fence=4, marketplace="vinted", action="publish", user_id=7, shop=Shop(2, "123"),
        priority=3, retry_count=retry_count, max_retries=max_retries,
        rate_limit=timedelta(seconds=2), timeout=timedelta(seconds=60), created_at=NOW,
    )  # fmt: skip


def settle(end: End, draw: float = 0.5, **of_job: int) -> Settlement:
    return settlement_of(job(**of_job), end, NOW, draw)


def failed(error: BaseException, **of_job: int) -> Settlement:
    return settle(Failed(error), **of_job)


def raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught


# --- the table, row by row ------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        NotSent("DNS, connect or TLS"),
        NotSent("DNS, connect or TLS", writes=True),
        CallRejected("5xx of a read", status=503),
        ConnectionLost("of a read"),
        CallTimeout("of a read"),
        OutcomeUnknown("of a read"),
        ValueError("the handler raised"),
        SystemExit(1),
    ],
)
def test_what_may_work_the_next_time_is_retried_and_uses_up_an_attempt(
    error: BaseException,
) -> None:
    settlement = failed(error, retry_count=1)
    assert settlement.event is JobEvent.RETRY
    assert settlement.delay == FIRST_DELAY * 2 * 0.5
    assert settlement.waiting_reason == "attempt 2 failed; it is tried again"
    assert settlement.error


@pytest.mark.parametrize(
    ("scope", "is_closure", "opens_in", "delay"),
    [
        (Scope("vinted", Level.APP_KEY), True, timedelta(hours=9), timedelta(0)),
        (Scope("vinted", Level.SHOP, 2), True, None, timedelta(0)),
        (Scope("vinted", Level.APP_KEY), False, timedelta(hours=9), timedelta(hours=9)),
        (Scope("vinted", Level.ACTION, 2, "publish"), True, timedelta(hours=9), timedelta(hours=9)),
        (Scope("vinted", Level.ACTION, 2, "publish"), True, None, COOL_DOWN),
    ],
)
def test_where_its_lane_stays_open_a_job_waits_until_the_budget_is(
    scope: Scope, is_closure: bool, opens_in: timedelta | None, delay: timedelta
) -> None:
    until = None if opens_in is None else NOW + opens_in
    settlement = failed(Blocked(scope, until, "why").closed(is_closure=is_closure), retry_count=3)
    assert (settlement.event, settlement.delay) == (JobEvent.SNOOZE, delay)


def test_the_last_attempt_fails_the_job() -> None:
    assert failed(NotSent("x"), retry_count=2).event is JobEvent.RETRY
    assert failed(NotSent("x"), retry_count=3).event is JobEvent.FAIL
    assert failed(NotSent("x"), max_retries=0).event is JobEvent.FAIL


@pytest.mark.parametrize("retry_count", [0, 3])
@pytest.mark.parametrize(
    ("error", "reason"),
    [(None, "nobody can look"), (CannotTell("the list is empty"), "the list is empty")],
)
def test_where_nobody_can_tell_whether_a_write_happened_a_person_is_asked(
    error: Exception | None, reason: str, retry_count: int
) -> None:
    settlement = settle(Undecided("create", error), retry_count=retry_count)
    assert settlement.event is JobEvent.PAUSE
    assert settlement.failed_step == "create"
    question = str(settlement.waiting_reason)
    assert question.startswith("did step 'create' take effect on vinted?")
    assert f"({reason})" in question
    assert "run.py jobs resume 1 --step 'create' --happened" in question
    assert "--did-not-happen" in question
    assert settlement.ended_by == (), "the step stays open"


@pytest.mark.parametrize("error", [CallTimeout("no answer"), CallRejected("down", status=503)])
def test_a_look_that_failed_in_passing_is_taken_again_and_then_a_person_is_asked(
    error: Exception,
) -> None:
    again = settle(Undecided("create", error), retry_count=2)
    assert (again.event, again.failed_step) == (JobEvent.RETRY, "create")
    assert settle(Undecided("create", error), retry_count=3).event is JobEvent.PAUSE


def test_a_look_that_must_wait_costs_no_attempt() -> None:
    assert settle(Undecided("create", SellerNotConnected(7)), retry_count=3).awaits_seller


def test_a_replay_that_did_not_ask_for_a_recorded_step_waits_for_a_person() -> None:
    settlement = settle(CodeChanged(("create", "image-1")))
    assert settlement.event is JobEvent.PAUSE
    assert "the handler's code changed" in str(settlement.waiting_reason)
    assert "'create', 'image-1'" in str(settlement.waiting_reason)


def test_the_steps_that_a_failure_ended_are_done_again_by_the_next_run() -> None:
    error = NotSent("x")
    note_failed_step(error, "inner")
    note_failed_step(error, "outer")
    assert failed(error).ended_by == ("inner", "outer")


@pytest.mark.parametrize("writes", [True, False])
def test_a_429_snoozes_and_uses_up_no_attempt(writes: bool) -> None:
    settlement = failed(CallRejected("slow down", status=429, writes=writes), retry_count=3)
    assert settlement.event is JobEvent.SNOOZE
    assert settlement.delay == COOL_DOWN
    assert settlement.waiting_reason == "slow down"


def test_who_waits_for_a_closed_lane_keeps_its_place_and_else_waits_for_the_time() -> None:
    refused = CallRejected("slow down", status=429)
    refused.lane_closed = True
    assert failed(refused).keeps_age
    until = NOW + timedelta(hours=2)
    for level, keeps in ((Level.APP_KEY, True), (Level.SHOP, True), (Level.ACTION, False)):
        settlement = failed(Blocked(Scope("ebay", level), until, "used up").closed(is_closure=True))
        assert (settlement.event, settlement.keeps_age) == (JobEvent.SNOOZE, keeps)
        assert settlement.delay == (timedelta(0) if keeps else timedelta(hours=2))


def test_a_seller_who_is_away_is_waited_for_and_costs_no_attempt() -> None:
    settlement = failed(SellerNotConnected(7), retry_count=3)
    assert settlement.event is JobEvent.SNOOZE
    assert settlement.awaits_seller
    assert settlement.keeps_age
    assert settlement.waiting_reason == "User 7 not connected via WebSocket"


def test_a_database_that_is_away_costs_no_attempt() -> None:
    settlement = failed(DatabaseUnavailable("gone"), retry_count=3)
    assert settlement.event is JobEvent.SNOOZE
    assert settlement.delay > timedelta(0)


@pytest.mark.parametrize("status", [400, 404, 409, 422])
@pytest.mark.parametrize("writes", [True, False])
def test_a_request_that_is_wrong_fails_at_once_in_the_marketplaces_own_words(
    status: int, writes: bool
) -> None:
    settlement = failed(CallRejected("title is too long", status=status, writes=writes))
    assert settlement.event is JobEvent.FAIL
    assert settlement.error == "title is too long"


@pytest.mark.parametrize(
    "error",
    [
        JobFailed("sold elsewhere"),
        ForeignAwait("a future"),
        DuplicateStepName("upload"),
        InvalidCall("sleep takes at most 60 s"),
        UnknownHandler("fly_vinted"),
    ],
)
def test_what_trying_again_cannot_help_fails_at_once(error: Exception) -> None:
    settlement = failed(error)
    assert settlement.event is JobEvent.FAIL
    assert settlement.error == str(error)


@pytest.mark.parametrize("error", [NotSent("no such host"), CallTimeout("late")])
def test_what_went_wrong_outside_is_told_in_its_own_words(error: Exception) -> None:
    assert failed(raised(error)).error == str(error)


def test_what_a_handler_raised_is_kept_with_its_traceback() -> None:
    settlement = failed(raised(KeyError("price")))
    assert settlement.error is not None
    assert settlement.error.startswith("Traceback")
    assert "in raised" in settlement.error
    assert settlement.error.rstrip().endswith("KeyError: 'price'")


def test_an_error_that_cannot_even_be_formatted_is_kept_in_its_own_words() -> None:
    class Unspeakable(Exception):
        @property
        def __suppress_context__(self) -> bool:  # type: ignore[override]
            raise ValueError("nobody can tell")

    settlement = failed(Unspeakable("odd"))
    assert settlement.error == "odd"


# --- other ends -----------------------------------------------------------------------------


def test_a_result_completes_the_job() -> None:
    assert settle(Finished({"success": True, "external_id": 5})) == Settlement(
        1, 4, JobEvent.COMPLETE, result={"success": True, "external_id": 5}
    )


def test_no_result_completes_the_job_too() -> None:
    assert settle(Finished(None)) == Settlement(1, 4, JobEvent.COMPLETE)


@pytest.mark.parametrize(
    ("result", "error"),
    [
        ({"success": False, "error": "no such listing"}, "no such listing"),
        ({"success": False}, "the handler returned success: false"),
    ],
)
def test_a_result_without_success_fails_the_job_and_is_kept(
    result: dict[str, Any], error: str
) -> None:
    settlement = settle(Finished(result))
    assert settlement.event is JobEvent.FAIL
    assert (settlement.result, settlement.error) == (result, error)


@pytest.mark.parametrize("result", [object(), {"x": float("nan")}, "a\0b", "\ud800", {1, 2}])
def test_a_result_that_cannot_be_stored_fails_the_job_and_says_so(result: Any) -> None:
    settlement = settle(Finished(result))
    assert settlement.event is JobEvent.FAIL
    assert settlement.result is None
    assert "the handler's result" in str(settlement.error)


def test_a_snooze_waits_until_its_time() -> None:
    settlement = settle(Snoozed(NOW + timedelta(hours=2), "closed"), retry_count=3)
    assert settlement == Settlement(
        1, 4, JobEvent.SNOOZE, delay=timedelta(hours=2), waiting_reason="closed"
    )


def test_a_snooze_until_the_past_is_due_at_once() -> None:
    assert settle(Snoozed(NOW - timedelta(hours=2), "")) == Settlement(1, 4, JobEvent.SNOOZE)


def test_a_cancelled_run_cancels_its_job() -> None:
    assert settle(Cancelled()) == Settlement(1, 4, JobEvent.CANCEL)


def test_the_step_in_which_it_failed_is_named_and_the_innermost_counts() -> None:
    error = CallRejected("no", status=400)
    note_failed_step(error, "upload-3")
    note_failed_step(error, "all-images")
    assert failed(error).failed_step == "upload-3"


# --- whatever happens -----------------------------------------------------------------------

texts = st.text(st.characters(codec=None), max_size=50)
errors = st.one_of(
    st.builds(
        lambda kind, text, status, writes: kind(text, status=status, writes=writes),
        st.sampled_from([CallRejected, NotSent, OutcomeUnknown, CallTimeout, ConnectionLost]),
        texts,
        st.none() | st.integers(100, 599),
        st.booleans(),
    ),
    st.builds(SellerNotConnected, st.integers(1)),
    st.builds(lambda kind, text: kind(text), st.sampled_from([JobFailed, ValueError]), texts),
    st.just(KeyboardInterrupt()),
)
ends = st.one_of(
    st.builds(Failed, errors),
    st.builds(Finished, st.none() | texts | st.dictionaries(texts, texts) | st.floats()),
    st.builds(Finished, st.fixed_dictionaries({"success": st.just(False), "error": texts})),
    st.builds(Snoozed, st.datetimes(timezones=st.just(UTC)), texts),
    st.just(Cancelled()),
    st.builds(Undecided, texts, st.none() | errors),
    st.builds(CodeChanged, st.lists(texts, min_size=1).map(tuple)),
)


@given(end=ends, retry_count=st.integers(0, 5), step=st.none() | texts)
def test_every_end_leads_somewhere_legal_and_storable(
    end: End, retry_count: int, step: str | None
) -> None:
    if isinstance(end, Failed) and step is not None:
        note_failed_step(end.error, step)
    settlement = settlement_of(job(retry_count=retry_count), end, NOW)
    after(JobStatus.RUNNING, settlement.event)
    assert settlement.delay >= timedelta(0)
    assert (settlement.job_id, settlement.fence) == (1, 4)
    texts_to_store = [settlement.error, settlement.waiting_reason, settlement.failed_step]
    assert checked_json([settlement.result, *texts_to_store], "what is stored")
    assert not [one for one in texts_to_store if one is not None and len(one) > 2 * LONGEST_TEXT]


@pytest.mark.parametrize(
    "end",
    [
        Failed(CallRejected("\0\ud800" + "x" * 9_999, status=429)),
        Failed(CallTimeout("\0\ud800" + "x" * 9_999, writes=True)),
        Failed(CallRejected("\0\ud800" + "x" * 9_999, status=400)),
        Snoozed(NOW, "\0\ud800" + "x" * 9_999),
    ],
    ids=["429", "unknown", "refused", "snoozed"],
)
def test_whatever_the_words_are_they_can_be_stored(end: End) -> None:
    settlement = settle(end)
    for words in (settlement.error, settlement.waiting_reason):
        checked_json(words, "the words", max_bytes=2 * LONGEST_TEXT)


@given(attempt=st.integers(0, 10_000), draw=st.floats(0, 1, exclude_max=True))
def test_backoff_grows_to_a_limit_with_full_jitter(attempt: int, draw: float) -> None:
    delay = backoff(attempt, draw)
    ceiling = backoff(attempt, 1.0)
    assert timedelta(0) <= delay <= ceiling <= LONGEST_DELAY
    assert ceiling == min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(attempt, 30))
    assert backoff(attempt, 0.0) == timedelta(0)


def test_two_jobs_that_failed_together_do_not_return_together() -> None:
    delays = {settlement_of(job(3, 9), Failed(NotSent("x")), NOW).delay for _ in range(20)}
    assert len(delays) > 10


def test_a_snooze_says_until_when_if_it_says_no_more() -> None:
    assert str(Snooze(NOW)) == "snoozed until 2026-01-09T00:00:00+00:00"


@pytest.mark.parametrize("browser_bound", [True, False])
@pytest.mark.parametrize("end", [Failed, lambda error: Undecided("create", error)])
@pytest.mark.parametrize(
    "error",
    [CallRejected("log in", status=401), CallRejected("no", status=403, error_code="captcha")],
)
def test_a_job_whose_account_is_in_trouble_waits_for_a_person(
    error: CallRejected, end: Callable[[CallRejected], End], browser_bound: bool
) -> None:
    settled = settlement_of(job(retry_count=3), end(error), NOW, browser_bound=browser_bound)
    assert settled.event is JobEvent.SNOOZE
    assert settled.waiting_reason is not None
    assert "`python run.py shops resume 2`" in settled.waiting_reason


def test_a_403_of_an_api_that_names_no_block_is_about_the_request() -> None:
    assert failed(CallRejected("not yours", status=403)).event is JobEvent.FAIL
