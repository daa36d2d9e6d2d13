"""Which answers close a shop, and which are about the request alone."""

import pytest

from runtime.errors import CallRejected, NotSent, OutcomeUnknown
from runtime.rate_limits.closures import ClosureKind
from runtime.runs.account_trouble import AccountWords, account_trouble

NEEDS_AUTH, NEEDS_USER = ClosureKind.NEEDS_AUTH, ClosureKind.NEEDS_USER
WORDS = AccountWords(
    session_ended=frozenset({"session_expired"}), blocked_texts=("captcha", "bot guard")
)


@pytest.mark.parametrize(
    ("status", "code", "of_a_browser", "of_an_api"),
    [
        (401, None, NEEDS_USER, NEEDS_AUTH),
        (None, "session_expired", NEEDS_USER, None),
        (403, "captcha_required", NEEDS_USER, NEEDS_USER),
        (403, "SESSION_BLOCKED", NEEDS_USER, NEEDS_USER),
        (None, "captcha", NEEDS_USER, NEEDS_USER),
        (403, None, NEEDS_USER, None),
        (403, "not_the_owner", NEEDS_USER, None),
        (400, "blocked_word_in_title", None, None),
        (404, None, None, None),
        (429, None, None, None),
        (None, "no_such_action", None, None),
    ],
)
def test_which_answer_is_about_the_account(
    status: int | None,
    code: str | None,
    of_a_browser: ClosureKind | None,
    of_an_api: ClosureKind | None,
) -> None:
    error = CallRejected("no", status=status, error_code=code)
    for browser_bound, kind in ((True, of_a_browser), (False, of_an_api)):
        trouble = account_trouble(error, "vinted", 3, browser_bound=browser_bound, words=WORDS)
        assert (trouble and trouble.kind) == kind


@pytest.mark.parametrize("text", ["solve the CAPTCHA", "<script src=Bot Guard>"])
def test_an_api_names_a_captcha_in_its_words(text: str) -> None:
    error = CallRejected(f"GET /x answered 403: {text}", status=403)
    trouble = account_trouble(error, "etsy", 3, browser_bound=False, words=WORDS)
    assert trouble is not None
    assert trouble.kind is NEEDS_USER


def test_words_of_one_marketplace_say_nothing_elsewhere() -> None:
    refusals = (
        CallRejected("GET /x answered 403: bot guard", status=403),
        CallRejected("no", error_code="session_expired"),
    )
    for error in refusals:
        assert account_trouble(error, "etsy", 3, browser_bound=False) is None


@pytest.mark.parametrize("browser_bound", [True, False])
@pytest.mark.parametrize("status", [401, 403])
def test_the_reason_says_what_a_person_has_to_do(status: int, browser_bound: bool) -> None:
    error = CallRejected("no", status=status, error_code="captcha")
    trouble = account_trouble(error, "vinted", 3, browser_bound=browser_bound)
    assert trouble is not None
    assert "vinted" in trouble.reason
    assert "`python run.py shops resume 3`" in trouble.reason


def test_a_call_that_nothing_authorizes_is_the_account_s_trouble() -> None:
    error = NotSent("consent again", error_code="needs_auth")
    trouble = account_trouble(error, "etsy", 3, browser_bound=False)
    assert trouble is not None
    assert trouble.kind is NEEDS_AUTH
    assert account_trouble(NotSent("no DNS"), "etsy", 3, browser_bound=False) is None


def test_an_unknown_outcome_is_no_answer() -> None:
    error = OutcomeUnknown("it broke", status=401)
    assert account_trouble(error, "vinted", 3, browser_bound=True) is None
