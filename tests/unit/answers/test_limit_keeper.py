"""The limit keeper: inquiries that answer late, and refusals without a time to tell."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runtime import Budgets, Level
from runtime.answers.limit_keeper import LimitKeeper
from runtime.answers.limit_signals import LimitInquiry, Signals
from runtime.errors import CallTimeout
from runtime.rate_limits import BudgetTree
from runtime.rate_limits.call_queue import CallQueue
from runtime.rate_limits.closures import Scope
from runtime.runs.answer import Answer
from runtime.runs.calls import Failure, HttpCall, Success

NOW = datetime(2026, 1, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)
READ = HttpCall("GET", "/listings")
APP_KEY = Scope("ebay", Level.APP_KEY)


def open_in_an_hour(answer: Any, refused: str, now: datetime) -> Signals:
    return Signals(refused=True, until=now + 3600 * SECOND, reason="the quota is used up")


class Kept:
    """A marketplace of whose limits somebody can ask, and its keeper."""

    def __init__(self, signals: Signals) -> None:
        self.tree = BudgetTree(Budgets(speaks_of=Level.APP_KEY))
        queue: CallQueue[int] = CallQueue("ebay", self.tree, 8, lambda: 0.0)
        inquiry = LimitInquiry(HttpCall("GET", "/limits"), open_in_an_hour)
        self.keeper = LimitKeeper(
            "ebay", None, lambda answer, now: signals, inquiry, self.tree, queue, _fail
        )
        self.sent = self.keeper.leaves(3, "sync", 3, READ, NOW)


def _fail(error: Exception) -> None:
    raise error


@pytest.fixture
def refusing() -> Kept:
    return Kept(Signals(refused=True))


def test_an_inquiry_tells_until_when_the_scope_is_closed(refusing: Kept) -> None:
    asked = refusing.keeper.answered(refusing.sent, Success(None, Answer(429)), NOW)
    assert asked.inquire == (APP_KEY, 3)
    told = refusing.keeper.inquired(APP_KEY, Success({}), NOW + SECOND)
    assert [one.until for one in told.closed] == [NOW + 3601 * SECOND]


def test_an_answer_to_an_inquiry_that_nobody_made_teaches_nothing(refusing: Kept) -> None:
    told = refusing.keeper.inquired(APP_KEY, Success({}), NOW)
    assert (told.closed, told.opened) == ([], [])


def test_a_scope_that_was_opened_meanwhile_is_closed_by_the_answer(refusing: Kept) -> None:
    refusing.keeper.answered(refusing.sent, Success(None, Answer(429)), NOW)
    refusing.keeper.loaded([])
    told = refusing.keeper.inquired(APP_KEY, Success({}), NOW + SECOND)
    assert told.opened == []
    assert [one.scope for one in told.closed] == [APP_KEY]


def test_only_a_rejected_call_is_told_when_to_come_back(refusing: Kept) -> None:
    error = CallTimeout("the rest of the answer never came")
    told = refusing.keeper.answered(refusing.sent, Failure(error, Answer(429)), NOW)
    assert [one.scope for one in told.closed] == [APP_KEY]
    assert not hasattr(error, "retry_at")


@pytest.mark.parametrize("returned", [None, "closed", {"refused": True}])
def test_a_reader_that_returns_no_signals_is_told_of_and_the_common_reader_counts(
    returned: Any,
) -> None:
    complaints: list[Exception] = []
    tree = BudgetTree(Budgets(speaks_of=Level.APP_KEY))
    queue: CallQueue[int] = CallQueue("ebay", tree, 8, lambda: 0.0)
    closing = Signals(refused=True, until=NOW + 60 * SECOND)
    keeper = LimitKeeper(
        "ebay", lambda answer, now: returned, lambda answer, now: closing, None, tree, queue,
        complaints.append,
    )  # fmt: skip
    sent = keeper.leaves(3, "sync", 3, READ, NOW)
    changes = keeper.answered(sent, Success(None, Answer(429)), NOW)
    assert [one.until for one in changes.closed] == [NOW + 60 * SECOND]
    assert [str(one) for one in complaints] == [f"it returned {returned!r} and not Signals"]
