"""The journal keeps enough of a failure to raise it again."""

import inspect
import json
from typing import Any

import pytest

from runtime import errors
from runtime.errors import CallFailed, MarketplaceRuntimeError, StepFailed
from runtime.runs.journal import RecordedStep, StepStatus, as_recorded, error_record, recorded_error

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, MarketplaceRuntimeError)
]


def made(kind: type[Exception]) -> Exception:
    """An error of that class, past whatever its ``__init__`` wants."""
    error = kind.__new__(kind)
    error.args = ("listing 5: Größe ist ungültig",)
    if isinstance(error, CallFailed):
        error.status, error.error_code, error.writes = 409, "duplicate", True
    return error


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_of_this_project_comes_back_as_its_own_class(kind: type) -> None:
    record = json.loads(json.dumps(error_record(made(kind))))
    again = recorded_error(record)
    assert type(again) is kind
    assert str(again) == "listing 5: Größe ist ungültig"
    if isinstance(again, CallFailed):
        assert (again.status, again.error_code, again.writes) == (409, "duplicate", True)
    assert error_record(again) == record
    with pytest.raises(kind, match="listing 5"):
        raise again


def test_a_made_error_and_its_record_have_one_message() -> None:
    error = errors.SellerNotConnected(7)
    assert str(recorded_error(error_record(error))) == str(error)


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), ZeroDivisionError("x")])
def test_an_error_of_a_foreign_class_comes_back_as_a_failed_step(error: Exception) -> None:
    again = recorded_error(error_record(error))
    assert type(again) is StepFailed
    assert str(again) == f"{type(error).__name__}: {error}"
    assert type(as_recorded(error)) is StepFailed


def test_an_own_subclass_of_a_plugin_comes_back_as_what_the_runtime_knows() -> None:
    class Captcha(errors.CallRejected):
        pass

    again = recorded_error(error_record(Captcha("solve it", status=403)))
    assert type(again) is errors.CallRejected
    assert again.status == 403


def test_a_class_that_only_shares_a_name_is_not_taken_for_it() -> None:
    impostor = type("JobFailed", (Exception,), {})
    assert type(as_recorded(impostor("x"))) is not impostor


@pytest.mark.parametrize("record", [{}, {"type": "datetime"}, {"type": "Snooze"}, {"type": None}])
def test_a_record_that_names_no_error_is_a_failed_step(record: dict[str, Any]) -> None:
    assert type(recorded_error(record)) is StepFailed


@pytest.mark.parametrize("status", list(StepStatus))
def test_open_is_what_may_or_may_not_have_happened(status: StepStatus) -> None:
    assert RecordedStep("x", status).is_open is (status in {"started", "unknown"})
