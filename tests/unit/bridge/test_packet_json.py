"""The JSON of packets: a number that is too long costs neither the answer nor the time."""

import json
from typing import Any

import pytest

from runtime.bridge import packet_json
from runtime.bridge.browser_response import read_response
from runtime.errors import OutcomeUnknown
from runtime.runs.calls import Failure

LONG = "9" * 5_000


def read(text: str) -> Any:
    return packet_json.loads(text)


def test_other_numbers_are_read_as_ever() -> None:
    assert read('[1, -20, 1.5, 1e3, "9"]') == [1, -20, 1.5, 1_000.0, "9"]
    assert read("9" * packet_json.LONGEST_INTEGER) == int("9" * packet_json.LONGEST_INTEGER)
    with pytest.raises(json.JSONDecodeError):
        read("[1")


@pytest.mark.parametrize("writes", [True, False])
@pytest.mark.parametrize("data", [LONG, f'{{"items": [{{"id": -{LONG}}}]}}'])
def test_an_answer_with_an_integer_of_thousands_of_digits_is_unreadable(
    data: str, writes: bool
) -> None:
    response = read_response(read(f'{{"request_id": "r1", "success": true, "data": {data}}}'))
    outcome = response.outcome(writes)
    assert isinstance(outcome, Failure)
    assert isinstance(outcome.error, OutcomeUnknown)
    assert outcome.error.error_code == "unreadable_answer"
    assert "TooLongInteger" in str(outcome.error)


@pytest.mark.parametrize("field", ["error", "error_code", "status"])
def test_it_is_no_reason_no_code_and_no_status(field: str) -> None:
    text = f'{{"request_id": "r1", "success": false, "{field}": {LONG}}}'
    response = read_response(read(text))
    assert response.status is None
    assert response.error_code is None
    assert response.error
