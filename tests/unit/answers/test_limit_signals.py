"""Limits in answers are read exactly and bounded, and nonsense is ignored."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.answers.limit_signals import (
    FAMILIES,
    Announced,
    LimitHeaders,
    Signals,
    read_answer,
)
from runtime.answers.retry_after import LONGEST, retry_after
from runtime.rate_limits import Limit
from runtime.rate_limits.closures import ClosureKind
from runtime.runs.account_trouble import AccountWords
from runtime.runs.answer import Answer

NOW = datetime(2026, 1, 9, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def http_date(when: datetime) -> str:
    return format_datetime(when, usegmt=True)


# --- Retry-After ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("1", SECOND),
        (" 120 ", 120 * SECOND),
        ("1.5", 1.5 * SECOND),
        ("0", timedelta(0)),
        ("86400", LONGEST),
        ("31536000", LONGEST),
        ("9" * 5_000, LONGEST),
        (http_date(NOW + timedelta(minutes=5)), timedelta(minutes=5)),
        (http_date(NOW + timedelta(days=365)), LONGEST),
        (http_date(NOW - timedelta(days=3)), timedelta(0)),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("١٢", None),
        ("Fri, 99 Jan 2026 12:00:00 GMT", None),
        ("1e3", None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_bounded(value: str, wait: timedelta | None) -> None:
    until = retry_after({"retry-after": value}, NOW)
    assert until == (None if wait is None else NOW + wait)


def test_a_date_is_read_by_the_clock_of_the_server_that_gave_it() -> None:
    theirs = NOW + timedelta(hours=2)
    headers = {"retry-after": http_date(theirs + 30 * SECOND), "date": http_date(theirs)}
    assert retry_after(headers, NOW) == NOW + 30 * SECOND


@given(value=st.text())
def test_whatever_it_says_the_wait_is_from_none_to_a_day(value: str) -> None:
    until = retry_after({"retry-after": value, "date": value}, NOW)
    assert until is None or NOW <= until <= NOW + LONGEST


# --- 429 ------------------------------------------------------------------------------------


def test_a_429_with_retry_after_closes_for_that_time() -> None:
    signals = read_answer(Answer(429, {"retry-after": "30"}), NOW)
    assert (signals.refused, signals.until, signals.says_nothing) == (
        True,
        NOW + 30 * SECOND,
        False,
    )


@pytest.mark.parametrize("headers", [{}, {"retry-after": "whenever"}, {"content-type": "x"}])
def test_a_429_without_information_says_nothing(headers: dict[str, str]) -> None:
    signals = read_answer(Answer(429, headers), NOW)
    assert (signals.refused, signals.until, signals.says_nothing) == (True, None, True)


def test_a_server_that_is_away_for_a_while_is_left_alone_for_that_long() -> None:
    signals = read_answer(Answer(503, {"retry-after": "30"}), NOW)
    assert (signals.refused, signals.until) == (False, NOW + 30 * SECOND)
    assert read_answer(Answer(503), NOW) == Signals()
    assert read_answer(Answer(201, {"retry-after": "30"}, good=True), NOW) == Signals(good=True)


# --- quotas ---------------------------------------------------------------------------------


OWN = (
    LimitHeaders("x-limit-per-second", "x-remaining-this-second", SECOND),
    LimitHeaders("x-limit-per-day", "x-remaining-today", DAY),
)
OWN_TOLD = {
    "x-limit-per-second": "10",
    "x-remaining-this-second": "9",
    "x-limit-per-day": "10000",
    "x-remaining-today": "9321",
}


def test_limits_per_second_and_per_day_are_taken_over() -> None:
    signals = read_answer(Answer(200, OWN_TOLD, good=True), NOW, limit_headers=OWN)
    assert signals == Signals(
        limits=(Announced(Limit(10, SECOND), 9), Announced(Limit(10_000, DAY), 9_321)), good=True
    )


def test_a_second_that_is_used_up_closes_nothing_unless_a_call_was_refused() -> None:
    headers = {**OWN_TOLD, "x-remaining-this-second": "0"}
    assert read_answer(Answer(200, headers), NOW, limit_headers=OWN).until is None
    assert read_answer(Answer(429, headers), NOW, limit_headers=OWN).until == NOW + SECOND


def test_a_day_that_is_used_up_is_not_asked_for_at_every_turn() -> None:
    headers = {**OWN_TOLD, "x-remaining-today": "0"}
    signals = read_answer(Answer(200, headers), NOW, limit_headers=OWN)
    assert signals.until == NOW + timedelta(minutes=15)
    assert "used up" in signals.reason


def test_a_refusal_with_the_second_and_the_day_used_up_is_no_reason_to_wait_a_day() -> None:
    headers = {**OWN_TOLD, "x-remaining-this-second": "0", "x-remaining-today": "0"}
    signals = read_answer(Answer(429, headers), NOW, limit_headers=OWN)
    assert signals.until == NOW + timedelta(minutes=15)


def test_headers_that_only_one_marketplace_has_say_nothing_elsewhere() -> None:
    assert read_answer(Answer(200, OWN_TOLD, good=True), NOW) == Signals(good=True)


def test_a_refusal_that_tells_when_the_quota_is_filled_again_is_believed() -> None:
    headers = {"ratelimit-policy": "100;w=86400", "ratelimit": "limit=100, remaining=0, reset=30"}
    assert read_answer(Answer(429, headers), NOW).until == NOW + 30 * SECOND


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "reset", ["40", str(int((NOW + 40 * SECOND).timestamp())),
              str(int((NOW + 40 * SECOND).timestamp() * 1000))],
)  # fmt: skip
def test_a_quota_that_is_used_up_closes_until_it_is_filled_again(family: str, reset: str) -> None:
    headers = {f"{family}-remaining": "0", f"{family}-reset": reset}
    assert read_answer(Answer(200, headers), NOW).until == NOW + 40 * SECOND
    assert read_answer(Answer(200, {**headers, f"{family}-remaining": "1"}), NOW).until is None


@pytest.mark.parametrize(
    "headers",
    [
        {"ratelimit-limit": "100, 100;w=60", "ratelimit-remaining": "12"},
        {"ratelimit-policy": "100;w=60", "ratelimit": "limit=100, remaining=12, reset=30"},
        {"ratelimit-policy": '"default";q=100;w=60', "ratelimit": '"default";r=12;t=30'},
    ],
)
def test_a_policy_gives_the_window_of_a_limit(headers: dict[str, str]) -> None:
    signals = read_answer(Answer(200, headers), NOW)
    assert signals.limits == (Announced(Limit(100, 60 * SECOND), 12),)


def test_a_quota_in_one_header_is_read_too() -> None:
    headers = {"ratelimit": '"default";r=0;t=30'}
    assert read_answer(Answer(429, headers), NOW).until == NOW + 30 * SECOND


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from([
            *OWN_TOLD, "retry-after", "date", "ratelimit", "ratelimit-policy", "ratelimit-limit",
            "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit-remaining", "ratelimit-reset",
        ]),
        st.one_of(st.text(), st.integers().map(str), st.sampled_from(["0;w=0", "5;w=999999999"])),
    ),
    st.sampled_from([None, 200, 401, 403, 429, 503]),
)  # fmt: skip
def test_whatever_the_headers_say_nothing_breaks_and_all_is_bounded(
    headers: dict[str, str], status: int | None
) -> None:
    signals = read_answer(Answer(status, headers), NOW, limit_headers=OWN)
    assert signals.until is None or NOW <= signals.until <= NOW + LONGEST


# --- the account ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "needs"),
    [
        (Answer(401, from_browser=True), ClosureKind.NEEDS_USER),
        (Answer(None, error_code="session_expired", from_browser=True), ClosureKind.NEEDS_USER),
        (Answer(403, from_browser=True), ClosureKind.NEEDS_USER),
        (Answer(None, error_code="captcha_required", from_browser=True), ClosureKind.NEEDS_USER),
        (Answer(401), ClosureKind.NEEDS_AUTH),
        (Answer(403, text="<title>Please solve the CAPTCHA"), ClosureKind.NEEDS_USER),
        (Answer(403, text="you do not own this listing"), None),
        (Answer(404, from_browser=True), None),
        (Answer(None, error_code="outcome_unknown", from_browser=True), None),
    ],
)
def test_what_a_person_has_to_do_is_told_from_the_answer(
    answer: Answer, needs: ClosureKind | None
) -> None:
    words = AccountWords(session_ended=frozenset({"session_expired"}))
    signals = read_answer(answer, NOW, account_words=words)
    assert signals.needs == needs
    assert not signals.good
    assert bool(signals.reason) == (needs is not None)
