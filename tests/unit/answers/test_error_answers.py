"""Error answers are read in the marketplace's own words, and in an unknown shape, too."""

from typing import Any

import pytest

from runtime.answers.error_answers import EXCERPT, Refusal, excerpt, refusal_in, unreadable
from runtime.errors import CallRejected, OutcomeUnknown
from runtime.runs.journal import error_record, recorded_error


def _reader(status: int, body: Any) -> Refusal:
    return Refusal(body["error"], code=f"{status}", details={"id": body["id"]})


def test_the_marketplaces_own_words_code_and_details_are_taken() -> None:
    found = refusal_in(_reader, 409, b'{"error": "it exists", "id": 5}')
    assert found == Refusal("it exists", "409", {"id": 5})


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"error": "no id"}', b"\xff\x00", b""])
def test_what_cannot_be_read_is_told_as_it_is(body: bytes) -> None:
    assert refusal_in(_reader, 400, body) == Refusal(excerpt(body))
    assert "\0" not in excerpt(body)


def test_the_beginning_of_an_answer_is_bounded_and_holds_no_secret() -> None:
    body = b'{"access_token": "very-secret", "rest": "' + b"x" * 10_000
    assert len(excerpt(body)) == EXCERPT
    assert "very-secret" not in excerpt(body)


@pytest.mark.parametrize(("writes", "kind"), [(False, CallRejected), (True, OutcomeUnknown)])
def test_an_unknown_shape_is_a_failure_of_a_read_and_an_unknown_outcome_of_a_write(
    writes: bool, kind: type[OutcomeUnknown | CallRejected]
) -> None:
    answer = {"token": "very-secret", "rows": ["x" * 10_000]}
    error = unreadable("GET /x", answer, "no id", writes=writes)
    assert type(error) is kind
    assert "GET /x" in str(error)
    assert "no id" in str(error)
    assert "very-secret" not in str(error)
    assert len(str(error)) < EXCERPT + 100


def test_details_survive_the_record() -> None:
    error = CallRejected("no", status=400, error_code="25002", details={"offerId": "8"})
    again = recorded_error(error_record(error))
    assert isinstance(again, CallRejected)
    assert again.details == {"offerId": "8"}


@pytest.mark.parametrize("depth", [300, 800, 50_000])
def test_an_answer_that_is_nested_too_deeply_leaves_the_outcome_of_a_write_unknown(
    depth: int,
) -> None:
    answer: list[object] = []
    for _ in range(depth):
        answer = [answer]
    error = unreadable("POST /x", answer, "no id", writes=True)
    assert isinstance(error, OutcomeUnknown)
    assert "answered with something unknown (no id)" in str(error)


@pytest.mark.parametrize("fields", [{"words": None}, {"code": 5}, {"details": []}, None, 5])
def test_a_reader_that_returns_something_else_is_not_believed(fields: Any) -> None:
    returned: Any = Refusal(**{"words": "x", **fields}) if isinstance(fields, dict) else fields
    found = refusal_in(lambda status, body: returned, 404, b'{"gone": true}')
    assert found == Refusal('{"gone": true}')
