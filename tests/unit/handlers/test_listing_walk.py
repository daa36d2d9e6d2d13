"""A walk over what is on sale: when a listing is called gone, and when a warning is left."""

from typing import Any

from runtime import BaseJobHandler, Job
from runtime.store import (
    LookReport,
    begin_walk,
    count_unseen_listings,
    mark_unseen_gone,
    walk_listings,
)
from tests.support.handlers.handler_harness import drive, make_job

CERTAIN, DOUBTFUL = LookReport({"pages": 1}), LookReport({"pages": 1}, "it changed")


def _no_browser(action: str, payload: dict[str, Any]) -> Any:
    raise AssertionError(f"{action} was sent")


def walked(*looks: LookReport, unseen: int) -> tuple[dict[str, Any], list[str], list[str]]:
    """The result of a walk with these looks, its transactions, and what steps began with."""
    prefixes: list[str] = []

    class Walk(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            async def take_look(walk: str, prefix: str) -> LookReport:
                assert walk == "the walk"
                prefixes.append(prefix)
                return looks[len(prefixes) - 1]

            return await walk_listings(self, take_look)

    run = drive(
        Walk,
        make_job(),
        _no_browser,
        instead={
            begin_walk: lambda _session, _shop_id: "the walk",
            count_unseen_listings: lambda _session, _shop_id, _walk: unseen,
            mark_unseen_gone: lambda _session, _shop_id, _walk: unseen,
        },
    )
    return run.result, run.transactions, prefixes


def test_a_look_without_a_doubt_says_what_is_gone() -> None:
    result, transactions, _ = walked(CERTAIN, unseen=4)
    assert result == {"success": True, "gone": 4, "pages": 1}
    assert transactions == ["begin-walk", "mark-gone"]


def test_a_doubt_about_nothing_needs_no_other_look() -> None:
    result, transactions, prefixes = walked(DOUBTFUL, unseen=0)
    assert result == {"success": True, "gone": 0, "pages": 1}
    assert transactions == ["begin-walk", "count-unseen"]
    assert prefixes == [""]


def test_a_doubt_that_matters_is_looked_into_again() -> None:
    result, transactions, prefixes = walked(DOUBTFUL, CERTAIN, unseen=4)
    assert result["gone"] == 4
    assert transactions == ["begin-walk", "count-unseen", "mark-gone"]
    assert prefixes == ["", "look-2-"]


def test_a_doubt_that_stays_leaves_a_warning_and_nothing_gone() -> None:
    result, transactions, prefixes = walked(DOUBTFUL, DOUBTFUL, DOUBTFUL, unseen=4)
    assert result["gone"] == 0
    assert "4 listing(s) were not seen, but it changed" in result["warning"]
    assert "mark-gone" not in transactions
    assert prefixes == ["", "look-2-", "look-3-"]


def test_a_look_that_stored_nothing_says_of_nothing_that_it_is_gone() -> None:
    result, transactions, _ = walked(LookReport({"pages": 1}, tells_gone=False), unseen=4)
    assert result == {"success": True, "gone": 0, "pages": 1}
    assert transactions == ["begin-walk"]
