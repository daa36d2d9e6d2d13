"""The report of an import: what a problem is called, and how reports are summed up."""

from collections import Counter

import pytest

from runtime.former_system.report import Report, RowProblem

PLACES = {
    "a schema": (RowProblem("user_1", None, None, "it is gone"), "user_1: it is gone"),
    "a table": (RowProblem("user_1", "jobs", None, "it is gone"), "user_1.jobs: it is gone"),
    "a row": (RowProblem("user_1", "jobs", 7, "it is gone"), "user_1.jobs 7: it is gone"),
}


@pytest.mark.parametrize("kind", PLACES)
def test_a_problem_names_its_place_as_exactly_as_it_is_known(kind: str) -> None:
    problem, written = PLACES[kind]
    assert str(problem) == written


def test_adding_a_report_sums_up_every_number_and_joins_every_list() -> None:
    first, second = (RowProblem("user_1", "jobs", number, "why") for number in (1, 2))
    whole = Report(["user_1"], Counter(pending=2), 1, 2, 3, 4, [first], [first], ["a"])
    whole.add(
        Report(["user_2"], Counter(pending=1, failed=1), 10, 20, 30, 40, [second], [second], ["b"])
    )
    assert whole == Report(
        ["user_1", "user_2"], Counter(pending=3, failed=1), 11, 22, 33, 44,
        [first, second], [first, second], ["a", "b"],
    )  # fmt: skip
