"""Decides what becomes of a job whose run failed: one table, read from top to bottom. Pure.

The first row counts whose class the error has and whose condition it meets. A class therefore
stands above the class that it is derived from, and a condition above the row for all other errors
of its class. The table stands here and not in the error classes: the same class means different
things (a ``CallRejected`` with 429, 404 and 503), and errors are raised where nobody knows of jobs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from runtime.errors import (
    BrowserNotReady,
    BudgetClosed,
    CallFailed,
    CallRejected,
    CannotTell,
    ConfigurationError,
    DatabaseRefused,
    DatabaseUnavailable,
    FenceLost,
    HandlerError,
    HeldUp,
    InputError,
    JobFailed,
    SellerNotConnected,
    StepFailed,
    TokenError,
    WaitTimeout,
)
from runtime.runs.job_states import JobEvent

# The same delay is the first step of the backoff.
FIRST_DELAY = timedelta(seconds=2)
NOT_READY_DELAY = timedelta(seconds=5)
TOO_MANY_REQUESTS = 429
SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Consequence:
    """The consequence of a failure for the job.

    Attributes:
        event: ``RETRY`` uses up an attempt, and fails the job if no attempt remains.
        delay: the length of a snooze, or a function that returns the end of the snooze from the
            error (None if the error does not know it).
        keeps_age: see :class:`runtime.runs.settlement.Settlement`.
        awaits_seller: see :class:`runtime.runs.settlement.Settlement`.
        closes_shop: whether the shop is closed until a person has put the account in order.
        reason: what the job waits for, if the error's own words do not say it.
    """

    event: JobEvent
    delay: timedelta | Callable[[Any], datetime | None] = timedelta(0)
    keeps_age: bool = False
    awaits_seller: bool = False
    closes_shop: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Errors of a class that meet a condition, and what becomes of their jobs.

    Attributes:
        condition: takes the error, and whether the error tells of trouble with the account.
    """

    failure: type[BaseException]
    condition: Callable[[Any, bool], bool]
    consequence: Consequence


def _always(_error: BaseException, _of_account: bool) -> bool:
    return True


def _of_account(_error: BaseException, of_account: bool) -> bool:
    return of_account


def _lanes_closed(error: BudgetClosed, _of_account: bool) -> bool:
    return error.holds_lanes


def _too_many_and_lane_closed(error: CallRejected, _of_account: bool) -> bool:
    return error.status == TOO_MANY_REQUESTS and error.lane_closed


def _too_many(error: CallRejected, _of_account: bool) -> bool:
    return error.status == TOO_MANY_REQUESTS


def _server_error(error: CallRejected, _of_account: bool) -> bool:
    return error.status is not None and error.status >= SERVER_ERROR


def _read_without_status(error: CallRejected, _of_account: bool) -> bool:
    return error.status is None and not error.writes


WAITS_FOR_SELLER = Consequence(JobEvent.SNOOZE, keeps_age=True, awaits_seller=True)
WAITS_FOR_BROWSER = Consequence(JobEvent.SNOOZE, NOT_READY_DELAY, awaits_seller=True)
# A closure holds the job up by itself, and ends earlier where somebody opens it.
CLOSES_ITS_SHOP = Consequence(JobEvent.SNOOZE, keeps_age=True, closes_shop=True)
WAITS_BEHIND_CLOSURE = Consequence(JobEvent.SNOOZE, keeps_age=True)
WAITS_UNTIL_OPEN = Consequence(JobEvent.SNOOZE, attrgetter("until"))
WAITS_UNTIL_ALLOWED = Consequence(JobEvent.SNOOZE, attrgetter("retry_at"))
WAITS_WITH_ITS_LANE = Consequence(JobEvent.SNOOZE, attrgetter("retry_at"), keeps_age=True)
WAITS_FOR_DATABASE = Consequence(JobEvent.SNOOZE, FIRST_DELAY, reason="the database was away")
IS_RETRIED = Consequence(JobEvent.RETRY)
FAILS = Consequence(JobEvent.FAIL)

# Each family of errors has a row, even where the last row would do the same: a new family must not
# be retried merely since nobody thought of it. The last row is there for errors of handlers.
FAILURES: tuple[Row, ...] = (
    # error of this class    of which this holds:     what becomes of the job
    Row(SellerNotConnected,  _always,                   WAITS_FOR_SELLER),
    Row(BrowserNotReady,     _always,                   WAITS_FOR_BROWSER),
    Row(BaseException,       _of_account,               CLOSES_ITS_SHOP),
    Row(BudgetClosed,        _lanes_closed,             WAITS_BEHIND_CLOSURE),
    Row(BudgetClosed,        _always,                   WAITS_UNTIL_OPEN),
    Row(CallRejected,        _too_many_and_lane_closed, WAITS_WITH_ITS_LANE),
    Row(CallRejected,        _too_many,                 WAITS_UNTIL_ALLOWED),
    Row(DatabaseUnavailable, _always,                   WAITS_FOR_DATABASE),
    Row(HeldUp,              _always,                   WAITS_FOR_DATABASE),
    Row(CallRejected,        _server_error,             IS_RETRIED),
    Row(CallRejected,        _read_without_status,      IS_RETRIED),
    Row(CallRejected,        _always,                   FAILS),
    Row(HandlerError,        _always,                   FAILS),
    Row(JobFailed,           _always,                   FAILS),
    Row(DatabaseRefused,     _always,                   FAILS),
    Row(CallFailed,          _always,                   IS_RETRIED),
    Row(StepFailed,          _always,                   IS_RETRIED),
    Row(CannotTell,          _always,                   IS_RETRIED),
    Row(InputError,          _always,                   IS_RETRIED),
    Row(ConfigurationError,  _always,                   IS_RETRIED),
    Row(TokenError,          _always,                   IS_RETRIED),
    Row(WaitTimeout,         _always,                   IS_RETRIED),
    Row(FenceLost,           _always,                   IS_RETRIED),
    Row(BaseException,       _always,                   IS_RETRIED),
)  # fmt: skip


def consequence_of(error: BaseException, *, of_account: bool) -> Consequence:
    """Return the consequence for a job whose run ended with that error.

    Args:
        of_account: whether the error tells of trouble with the seller's account.
    """
    return next(
        row.consequence
        for row in FAILURES
        if isinstance(error, row.failure) and row.condition(error, of_account)
    )
