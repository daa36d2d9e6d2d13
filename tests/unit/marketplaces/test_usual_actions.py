"""The actions that most marketplaces have: the same everywhere but for what is said of them."""

import pytest

from runtime import usual_actions


def test_only_the_description_is_a_marketplace_s_own() -> None:
    here, there = usual_actions(sync="All of it"), usual_actions(sync="Everything", publish="Sell")
    assert [one.code for one in there] == ["publish", "sync"]
    assert [(one.code, one.name, one.description) for one in here] == [
        ("sync", "Sync Products", "All of it")
    ]
    assert here[0].timeout == there[1].timeout
    assert here[0].priority == there[1].priority


def test_an_action_that_is_not_usual_is_declared_in_full() -> None:
    with pytest.raises(ValueError, match="no usual action has the code message"):
        usual_actions(message="Answer a buyer")
