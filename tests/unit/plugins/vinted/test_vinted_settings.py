"""The pace on Vinted is the operator's to set; what cannot be kept to stops the start."""

from datetime import timedelta

import pytest

from plugins.vinted.marketplace import vinted
from runtime.errors import ConfigurationError
from runtime.handlers.registry import load_registry
from runtime.rate_limits import Limit


def test_a_person_who_lists_by_hand_is_not_faster() -> None:
    budgets = vinted().budgets
    assert (budgets.shop, budgets.jitter) == (
        (Limit(1, timedelta(seconds=1)),),
        timedelta(seconds=1),
    )


def test_an_operator_sets_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_VINTED_CALL_SECONDS", "7.5")
    monkeypatch.setenv("RUNTIME_VINTED_JITTER_SECONDS", "3")
    budgets = load_registry().marketplaces["vinted"].budgets
    assert (budgets.shop, budgets.jitter) == (
        (Limit(1, timedelta(seconds=7.5)),),
        timedelta(seconds=3),
    )


@pytest.mark.parametrize("value", ["0", "-1", "61", "nan", "inf", "soon"])
def test_a_pace_that_cannot_be_kept_to_is_named(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("RUNTIME_VINTED_CALL_SECONDS", value)
    with pytest.raises(ConfigurationError, match="cannot use the settings: RUNTIME_VINTED_CALL"):
        load_registry()
