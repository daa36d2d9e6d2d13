"""Of many entries those are kept that can be read, and of each other one is told why not."""

import pytest

from runtime import InputError
from runtime.store import readable


def _number(entry: object) -> int:
    if not isinstance(entry, int):
        raise InputError(f"{entry!r} is no number")
    return entry


def test_what_can_be_read_is_kept_in_order() -> None:
    assert readable([3, "x", 1, None], _number) == (
        [3, 1],
        ["'x' is no number", "None is no number"],
    )


def test_a_mistake_of_the_reader_is_no_problem_of_the_entry() -> None:
    with pytest.raises(ZeroDivisionError):
        readable([0], lambda entry: 1 // entry)
