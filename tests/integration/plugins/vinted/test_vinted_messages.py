"""message_vinted over a real socket: whatever goes wrong, the buyer reads it once."""

from collections.abc import Iterator
from typing import Any

import pytest

from plugins.vinted.sandbox import example_conversation
from runtime.process.config import Settings
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import result_of
from tests.support.marketplaces.vinted_seller import Conversation, VintedShop, only, open_shop

TALK = example_conversation(1)["id"]


@pytest.fixture
def shop(settings: Settings, database: Database) -> Iterator[VintedShop]:
    with open_shop(settings, database) as opened:
        opened.wardrobe.open_conversation(example_conversation(1))
        opened.browser()
        yield opened


def said(shop: VintedShop) -> list[str]:
    """Return the messages of the seller."""
    messages = shop.messages(TALK)
    return [one["text"] for one in messages if one["from_seller"]]


def test_replies_and_returns_the_message(shop: VintedShop) -> None:
    result = shop.done("message", conversation_id=TALK, text="Yes, it is.")
    assert said(shop) == ["Yes, it is."]
    message = shop.messages(TALK)[-1]
    assert result == {"success": True, "conversation_id": str(TALK), "message": message}
    (row,) = shop.rows(Conversation)
    assert [one["text"] for one in row.data["messages"]] == ["Is it still there?", "Yes, it is."]


@pytest.mark.parametrize(
    "faults",
    [
        {"late": 0.3},
        {"twice": True},
        {"never": True},
        {"lost": 1},
        {"fails_after_executing": 1},
        {"wordless": 1},
        {"shapeless": True},
        {"drop_after_executing": True},
        {"drop_after_executing": True, "never": True},
        {"never": True, "forgetful": True},
        {"lost": 1, "forgetful": True},
    ],
    ids="-".join,
)
def test_a_bad_answer_leaves_it_said_once(shop: VintedShop, faults: dict[str, Any]) -> None:
    shop.calls_end_early()
    shop.done("message", conversation_id=TALK, text="Yes.")
    only(shop.browsers[0], "VINTED_MESSAGE", **faults)
    job = shop.scene.ended(shop.job("message", conversation_id=TALK, text="Yes."), seconds=60)
    assert job.status == "completed", job.error_message
    assert said(shop) == ["Yes.", "Yes."]
    assert result_of(job)["message"]["id"] == shop.messages(TALK)[-1]["id"]


def test_two_replies_of_the_same_words_are_two(shop: VintedShop) -> None:
    shop.calls_end_early()
    only(shop.browsers[0], "VINTED_MESSAGE", never=True, forgetful=True)
    jobs = [shop.job("message", conversation_id=TALK, text="Yes.") for _ in range(2)]
    ids = {result_of(shop.ended(one))["message"]["id"] for one in jobs}
    assert (len(ids), said(shop)) == (2, ["Yes.", "Yes."])


@pytest.mark.parametrize("fault", ["session_lost", "captcha", "rate_limited"])
def test_trouble_with_the_account_says_nothing(shop: VintedShop, fault: str) -> None:
    only(shop.browsers[0], "VINTED_MESSAGE", **{fault: True})
    shop.held_up(shop.job("message", conversation_id=TALK, text="Yes."))
    assert said(shop) == []


def test_nothing_is_said_by_another_account(shop: VintedShop) -> None:
    shop.browsers[0].faults.wrong_account = "999"
    shop.held_up(shop.job("message", conversation_id=TALK, text="Yes."))
    assert shop.browsers[0].extension.strayed == []


def test_a_conversation_that_is_not_there_is_a_clear_failure(shop: VintedShop) -> None:
    job = shop.run("message", conversation_id=5, text="Yes.")
    assert (job.status, job.error_message) == ("failed", "there is no such conversation")


def test_everything_that_is_missing_is_named_at_once(shop: VintedShop) -> None:
    job = shop.run("message")
    assert job.status == "failed"
    assert "conversation_id must" in (job.error_message or "")
    assert "text must" in (job.error_message or "")
    assert shop.browsers[0].executed == []
