"""Tokens: sellers may connect by them, and a refusal says why."""

import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from runtime.bridge.seller_tokens import (
    LEEWAY,
    LONGEST_LIFETIME,
    Identity,
    issue_token,
    verify_token,
)
from runtime.errors import TokenError

SECRET = "s" * 48
HOUR = timedelta(hours=1)


def verify(auth: object, now: datetime | None = None) -> Identity:
    return verify_token(auth, SECRET, "HS256", now or datetime.now(UTC))


def signed(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return jwt.encode(claims, secret, algorithm=algorithm)


def soon() -> int:
    return int((datetime.now(UTC) + HOUR).timestamp())


def test_an_issued_token_proves_its_user() -> None:
    before = datetime.now(UTC)
    identity = verify({"user_id": 7, "token": issue_token(7, SECRET, "HS256", HOUR)})
    assert identity.user_id == 7
    assert identity.resume is False
    assert identity.client_id is None
    assert timedelta(0) <= identity.expires_at - before - HOUR + timedelta(seconds=1) < HOUR / 60


@pytest.mark.parametrize("user_id", [7, "7", None])
def test_the_token_decides(user_id: object) -> None:
    auth = {"user_id": user_id, "token": issue_token(7, SECRET, "HS256", HOUR)}
    assert verify(auth).user_id == 7
    del auth["user_id"]
    assert verify(auth).user_id == 7


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_the_algorithm_is_configurable(algorithm: str) -> None:
    secret = "s" * 64
    token = issue_token(7, secret, algorithm, HOUR)
    assert verify_token({"token": token}, secret, algorithm, datetime.now(UTC)).user_id == 7


@pytest.mark.parametrize("user_id", [8, "8", "seven", True, 7.5, [7], {}, "", 0])
def test_a_differing_user_id_is_refused(user_id: object) -> None:
    with pytest.raises(TokenError, match="user_id differs from the token"):
        verify({"user_id": user_id, "token": issue_token(7, SECRET, "HS256", HOUR)})


@pytest.mark.parametrize("auth", [None, "token", [], {}, {"user_id": 7}, {"token": ""}])
def test_a_missing_token_is_named(auth: object) -> None:
    with pytest.raises(TokenError, match="token is missing"):
        verify(auth)


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", 7, ["x"], b"x", "x" * 9_000, "\ud800", "é"])
def test_a_malformed_token_is_named(token: object) -> None:
    with pytest.raises(TokenError, match="malformed"):
        verify({"token": token})


def test_an_expired_token_is_named() -> None:
    token = issue_token(7, SECRET, "HS256", timedelta(seconds=-1))
    with pytest.raises(TokenError, match="expired"):
        verify({"token": token})


@pytest.mark.parametrize("off", [timedelta(hours=-2), timedelta(hours=2)])
def test_a_token_is_judged_by_the_given_time_and_not_by_the_clock_of_the_machine(
    off: timedelta,
) -> None:
    now = datetime.now(UTC) + off
    begins, ends = (int((now + by).timestamp()) for by in (-HOUR / 60, HOUR))
    token = signed(sub="7", nbf=begins, exp=ends)
    assert verify({"token": token}, now).user_id == 7
    with pytest.raises(TokenError, match="expired"):
        verify({"token": token}, now + 2 * HOUR)
    with pytest.raises(TokenError, match="not valid yet"):
        verify({"token": token}, now - HOUR)


def test_a_foreign_signature_is_named() -> None:
    with pytest.raises(TokenError, match="signature"):
        verify({"token": signed(secret="t" * 48, sub="7", exp=soon())})


def test_a_tampered_token_is_refused() -> None:
    head, _, tail = issue_token(7, SECRET, "HS256", HOUR).split(".")
    other = issue_token(8, SECRET, "HS256", HOUR).split(".")[1]
    with pytest.raises(TokenError, match="signature"):
        verify({"token": f"{head}.{other}.{tail}"})


def test_a_token_without_signature_is_refused() -> None:
    with pytest.raises(TokenError):
        verify({"token": signed(secret="", algorithm="none", sub="7", exp=soon())})


def test_another_algorithm_is_refused() -> None:
    with pytest.raises(TokenError, match="HS256"):
        verify({"token": signed(secret="s" * 64, algorithm="HS512", sub="7", exp=soon())})


def test_an_expiry_is_required() -> None:
    with pytest.raises(TokenError, match="no expiry"):
        verify({"token": signed(sub="7")})


@pytest.mark.parametrize("exp", ["never", "inf", [1]])
def test_an_expiry_that_is_no_time_is_refused(exp: object) -> None:
    with pytest.raises(TokenError):
        verify({"token": signed(sub="7", exp=exp)})


@pytest.mark.parametrize("exp", [10**18, 253_402_300_799, 2**31 + 10**9])
def test_a_token_that_lives_for_ever_is_refused_with_the_way_out(exp: int) -> None:
    with pytest.raises(TokenError, match=r"90 days from now \(RUNTIME_TOKEN_LONGEST_DAYS\)"):
        verify({"token": signed(sub="7", exp=exp)})


def test_the_longest_lifetime_is_configurable() -> None:
    auth = {"token": issue_token(7, SECRET, "HS256", timedelta(days=2))}
    with pytest.raises(TokenError, match="at most 1 days"):
        verify_token(auth, SECRET, "HS256", datetime.now(UTC), timedelta(days=1))
    assert verify_token(auth, SECRET, "HS256", datetime.now(UTC), timedelta(days=2)).user_id == 7


def test_the_clock_of_who_issues_tokens_may_be_a_little_ahead() -> None:
    token = issue_token(7, SECRET, "HS256", LONGEST_LIFETIME + LEEWAY / 2)
    assert verify({"token": token}).user_id == 7


@pytest.mark.parametrize(
    "sub", ["seven", "0", "-7", "7.0", "", "\u0667", "9" * 19, 2**63, None, True]
)
def test_the_subject_is_a_positive_integer(sub: object) -> None:
    with pytest.raises(TokenError, match="sub must be a positive integer"):
        verify({"token": signed(sub=sub, exp=soon())})


def test_claims_of_the_application_do_not_matter() -> None:
    ahead = soon()
    token = signed(sub=7, exp=ahead, iat=ahead - 1_800, aud="app", iss="app", jti=3, role="seller")
    assert verify({"token": token}).user_id == 7


def test_what_the_client_declares() -> None:
    token = issue_token(7, SECRET, "HS256", HOUR)
    identity = verify({"token": token, "resume": True, "client_id": "laptop"})
    assert (identity.resume, identity.client_id) == (True, "laptop")


@pytest.mark.parametrize("resume", [None, 0, 1, "true", "yes", False])
def test_resume_must_be_declared_in_so_many_words(resume: object) -> None:
    token = issue_token(7, SECRET, "HS256", HOUR)
    assert verify({"token": token, "resume": resume}).resume is False


@pytest.mark.parametrize("client_id", ["", "x" * 201, 7, ["laptop"]])
def test_an_unusable_client_id_is_refused(client_id: object) -> None:
    token = issue_token(7, SECRET, "HS256", HOUR)
    with pytest.raises(TokenError, match="client_id"):
        verify({"token": token, "client_id": client_id})


def test_no_refusal_repeats_the_token() -> None:
    token = signed(secret="t" * 48, sub="7", exp=soon())
    with pytest.raises(TokenError) as refused:
        verify({"token": token})
    assert token not in str(refused.value)
