"""The table of failures: every error of this project has its row, and the row that is meant."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

import runtime.errors
from runtime.errors import (
    BudgetClosed,
    CallRejected,
    HeldUp,
    JobFailed,
    MarketplaceRuntimeError,
    NotSent,
    SellerNotConnected,
)
from runtime.runs.failures import FAILURES, Row, consequence_of
from runtime.runs.job_states import JobEvent, JobStatus, after

EVENTS = {
    JobEvent.SNOOZE: {
        "BrowserNotReady", "BudgetClosed", "DatabaseUnavailable", "HeldUp", "LockHeld",
        "SellerNotConnected",
    },
    JobEvent.FAIL: {
        "CallRejected", "DatabaseRefused", "DuplicateStepName", "ForeignAwait", "HandlerError",
        "ImageRefused", "InvalidCall", "JobFailed", "UnknownHandler",
    },
    JobEvent.RETRY: {
        "ActionTypeNotFound", "AlreadyPublished", "BatchNotFound", "CallFailed", "CallTimeout",
        "CannotTell", "ConfigurationError", "ConnectionLost", "ConsentDeclined", "ConsentRefused",
        "CredentialsUnreadable", "DataDirectoryError", "DatabaseConflict", "DatabaseNotMigrated",
        "DidNotHappen", "FenceLost", "IdempotencyConflict", "IllegalTransition", "InputError",
        "InvalidJson", "InvalidProduct", "JobNotFound", "ListingTaken", "MessageTaken",
        "NotAuthorized", "NotSent", "OutcomeUnknown", "PortInUse", "ProductBusy",
        "ProductNotFound", "ProductsNotFound", "ScheduleExists", "ScheduleNotFound",
        "SellerRequired", "ShopNotFound", "ShopRequired", "StepFailed", "TokenError",
        "WaitTimeout",
    },
}  # fmt: skip
"""The fate of a job by the class of its error alone, if the error says nothing more."""

OF_THE_ACCOUNT = {"NeedsUser"}
"""An error of these classes always tells of trouble with the account."""


def derived(root: type[BaseException]) -> Iterator[type[BaseException]]:
    for one in root.__subclasses__():
        yield one
        yield from derived(one)


def ours() -> set[type[BaseException]]:
    return {
        one for one in derived(MarketplaceRuntimeError) if not one.__module__.startswith("test")
    }


def bare(kind: type[BaseException]) -> BaseException:
    """An error of the class as it is where nothing more is known of it."""
    error = kind.__new__(kind)
    for name, value in {"status": None, "writes": True, "holds_lanes": False}.items():
        setattr(error, name, value)
    return error


def test_every_error_of_this_project_has_a_row_of_its_own_or_of_its_kind() -> None:
    named = tuple(row.failure for row in FAILURES if row.failure is not BaseException)
    without = {one.__name__ for one in ours() if not issubclass(one, named)}
    assert without <= OF_THE_ACCOUNT


def test_every_error_of_this_project_does_to_its_job_what_is_listed_here() -> None:
    listed = {name: event for event, names in EVENTS.items() for name in names}
    found = {
        one.__name__: consequence_of(bare(one), of_account=False).event
        for one in ours()
        if one.__name__ not in OF_THE_ACCOUNT
    }
    known = {one.__name__ for one in ours()}
    assert found == {name: event for name, event in listed.items() if name in known}
    exported = {
        name
        for name, one in vars(runtime.errors).items()
        if isinstance(one, type) and issubclass(one, MarketplaceRuntimeError)
    }
    assert exported - OF_THE_ACCOUNT - {"MarketplaceRuntimeError"} <= listed.keys()


def test_no_row_is_hidden_behind_one_above_it() -> None:
    always = FAILURES[-1].condition
    for number, row in enumerate(FAILURES):
        above = [one.failure for one in FAILURES[:number] if one.condition is always]
        assert not issubclass(row.failure, tuple(above)), row


def test_whatever_is_raised_has_a_row() -> None:
    for error in (ValueError("x"), KeyboardInterrupt(), ExceptionGroup("x", [ValueError()])):
        assert consequence_of(error, of_account=False).event is JobEvent.RETRY


@pytest.mark.parametrize("row", FAILURES, ids=lambda row: row.failure.__name__)
def test_each_row_ends_a_run_in_a_way_that_a_run_can_end(row: Row) -> None:
    after(JobStatus.RUNNING, row.consequence.event)


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (CallRejected("x", status=429), JobEvent.SNOOZE),
        (CallRejected("x", status=500, writes=True), JobEvent.RETRY),
        (CallRejected("x", status=499), JobEvent.FAIL),
        (CallRejected("a browser's no to a write", writes=True), JobEvent.FAIL),
        (CallRejected("a browser's no to a read"), JobEvent.RETRY),
        (HeldUp("too late"), JobEvent.SNOOZE),
    ],
)
def test_what_an_error_says_decides_where_its_class_does_not(
    error: BaseException, event: JobEvent
) -> None:
    assert consequence_of(error, of_account=False).event is event


def test_trouble_of_the_account_closes_the_shop_whatever_the_error_says() -> None:
    for error in (CallRejected("x", status=429), NotSent("x"), JobFailed("x"), ValueError("x")):
        consequence = consequence_of(error, of_account=True)
        assert consequence.closes_shop
        assert (consequence.event, consequence.keeps_age) == (JobEvent.SNOOZE, True)
    assert not consequence_of(SellerNotConnected(7), of_account=True).closes_shop


def test_who_waits_behind_closed_lanes_needs_no_time_of_its_own() -> None:
    until = datetime(2026, 1, 9, tzinfo=UTC)
    for holds_lanes in (True, False):
        error = BudgetClosed("etsy", "used up", until, holds_lanes=holds_lanes)
        assert consequence_of(error, of_account=False).keeps_age is holds_lanes
