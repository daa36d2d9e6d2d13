"""Which steps a failure ended, and which ones the handler had caught before."""

import pytest

from runtime.errors import JobFailed, NotSent
from runtime.runs.failed_steps import failed_step, failed_steps, note_failed_step


def failure_of(*names: str) -> NotSent:
    error = NotSent("x")
    for name in names:
        note_failed_step(error, name)
    return error


def raised_while_handling(inner: Exception, outer: Exception, *, explicit: bool) -> Exception:
    outer.__context__ = inner
    if explicit:
        outer.__cause__ = inner
    return outer


def test_an_error_outside_of_steps_ended_none() -> None:
    assert failed_steps(JobFailed("sold")) == ()
    assert failed_step(JobFailed("sold")) is None


def test_the_innermost_step_comes_first_and_each_is_named_once() -> None:
    error = failure_of("image-1", "images", "image-1")
    assert failed_step(error) == "image-1"
    assert failed_steps(error) == ("image-1", "images")


@pytest.mark.parametrize("explicit", [True, False])
def test_an_error_made_of_the_failure_of_a_step_ended_that_step(explicit: bool) -> None:
    error = raised_while_handling(failure_of("create"), ValueError("no"), explicit=explicit)
    assert failed_steps(error) == ("create",)


def test_a_failure_that_the_handler_caught_is_not_ended_by_that_of_a_later_step() -> None:
    """Else the next attempt would do the caught one again, beside what was done in its place."""
    later = raised_while_handling(failure_of("create"), failure_of("update"), explicit=False)
    assert failed_steps(later) == ("update",)
