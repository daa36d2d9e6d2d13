"""The record of a marketplace is checked like a form: each fault is named with its value."""

from datetime import timedelta
from typing import Any

import pytest

from runtime import ActionType, Marketplace
from runtime.handlers.registry import load_registry
from runtime.marketplaces.record_check import faults_of


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("browser_bound", 1), ("base_url", 5), ("base_url", "ebay.com"), ("base_url", "http://["),
        ("default_headers", {"X": 1}), ("default_headers", None), ("concurrency", 0),
        ("concurrency", True), ("lane_concurrency", "8"), ("lane_calls", 1.5),
        ("budgets", {"shop": 3}), ("limit_headers", ["x"]), ("account_words", None),
        ("read_answer", "x"), ("read_refusal", 5), ("limit_inquiry", "x"), ("auth", {}),
        ("identification", "/me"), ("shop_settings", {"x": "y"}), ("sandbox", 1),
        ("action_types", ["x"]), ("action_types", ("x",)),
    ],
)  # fmt: skip
def test_a_field_of_another_kind_is_named_with_its_value(field: str, value: Any) -> None:
    given: dict[str, Any] = {field: value}
    (fault,) = faults_of(Marketplace("example", **given))
    assert fault.startswith(f"{field} must be ")
    assert fault.endswith(f"not {value!r}")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("code", "Do It!"), ("code", "x" * 51), ("code", 5), ("name", ""), ("name", "x" * 101),
        ("description", None), ("priority", 99), ("priority", 0), ("is_batch", "no"),
        ("rate_limit", 2), ("rate_limit", timedelta(-1)), ("max_retries", -1),
        ("timeout", 0), ("timeout", timedelta(0)), ("timeout", timedelta.max),
    ],
)  # fmt: skip
def test_an_action_type_that_no_row_can_hold_is_refused(field: str, value: Any) -> None:
    given: dict[str, Any] = {"code": "sync", "name": "Sync", field: value}
    (fault,) = faults_of(Marketplace("example", action_types=(ActionType(**given),)))
    assert fault.startswith(f"{field} of the action type ")


def test_every_fault_is_named_and_a_code_is_given_once() -> None:
    twice = (ActionType("sync", "Sync"), ActionType("sync", "Again"))
    faults = faults_of(Marketplace("example", concurrency=0, action_types=twice))
    assert len(faults) == 2
    assert "'sync' is given twice" in faults[1]


def test_the_records_of_the_built_in_marketplaces_have_no_fault() -> None:
    records = load_registry().marketplaces
    assert records.keys() >= {"ebay", "etsy", "vinted"}
    assert [fault for one in records.values() for fault in faults_of(one)] == []
