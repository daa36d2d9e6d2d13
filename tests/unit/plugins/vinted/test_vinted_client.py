"""The Vinted client reads a browser's answers."""

from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from plugins.vinted.client import VintedBrowser
from plugins.vinted.errors import (
    Trouble,
    may_not_know_action,
    read_browser_answer,
    sorted_out,
    trouble_of,
)
from plugins.vinted.marketplace import ACTION_TYPES, vinted
from plugins.vinted.pages import ListingPage, parse_sync
from plugins.vinted.sandbox import Wardrobe, example_item
from runtime.errors import CallRejected, JobFailed, NeedsUser
from runtime.handlers.job_handler import BaseJobHandler
from runtime.runs.account_trouble import account_trouble
from runtime.runs.answer import Answer
from runtime.runs.calls import Failure, Success, WebSocketCall
from tests.support.handlers.handler_harness import make_job

ITEM = example_item(1)
PAGINATION = {"current_page": 1, "total_pages": 1, "per_page": 96, "total_entries": 1}


def read_page(items: list[Any], pagination: dict[str, Any], number: int = 1) -> ListingPage:
    page = parse_sync({"items": items, "pagination": pagination}, number)
    assert "rows" in page
    return page


def rows(*items: Any) -> ListingPage:
    return read_page(list(items), {**PAGINATION, "total_entries": len(items)})


def first_turn(page: int = 3, per_page: int = 50) -> tuple[Coroutine[Any, Any, Any], WebSocketCall]:
    awaited = VintedBrowser(BaseJobHandler(make_job())).sync(page, per_page)
    return awaited, awaited.send(None)


class TestCall:
    def test_names_the_shop_by_its_external_id_and_declares_that_it_reads(self) -> None:
        coroutine, call = first_turn()
        coroutine.close()
        assert call == WebSocketCall(
            "VINTED_SYNC", {"shop_id": "123", "page": 3, "per_page": 50}, None, True
        )

    def test_gives_the_page_that_was_read(self) -> None:
        coroutine, _ = first_turn()
        with pytest.raises(StopIteration) as stopped:
            coroutine.send(Success(Wardrobe.of(101).page(3, 50)))
        assert [row["title"] for row in stopped.value.value["rows"]] == ["Example item 1"]

    def test_lets_a_refusal_through(self) -> None:
        coroutine, _ = first_turn()
        refusal = CallRejected("captcha", status=403)
        with pytest.raises(CallRejected) as raised:
            coroutine.send(Failure(refusal))
        assert raised.value is refusal


class TestRefusal:
    @pytest.mark.parametrize(
        ("status", "code", "trouble"),
        [
            (401, None, Trouble.SESSION_ENDED),
            (None, "session_expired", Trouble.SESSION_ENDED),
            (403, None, Trouble.BLOCKED),
            (400, "captcha", Trouble.BLOCKED),
            (None, "CAPTCHA", Trouble.BLOCKED),
            (403, "wrong_account", Trouble.BLOCKED),
            (429, None, Trouble.COOL_DOWN),
            (None, "rate_limited", Trouble.COOL_DOWN),
            (404, None, Trouble.GONE),
            (410, None, Trouble.GONE),
            (None, "already_deleted", Trouble.GONE),
            (400, None, Trouble.INVALID),
            (422, "strange", Trouble.INVALID),
            (None, "validation_error", Trouble.INVALID),
            (403, "not_found", Trouble.GONE),
            (500, None, None),
            (None, None, None),
            (404, "unknown_action", None),
            (400, "UNSUPPORTED_ACTION", None),
            (403, "strange", Trouble.BLOCKED),
        ],
    )
    def test_means_one_thing_whatever_the_plugin_calls_it(
        self, status: int | None, code: str | None, trouble: Trouble | None
    ) -> None:
        refusal = CallRejected("no", status=status, error_code=code, writes=True)
        assert trouble_of(refusal) is trouble
        coroutine, _ = first_turn()
        with pytest.raises(CallRejected, match="no") as raised:
            coroutine.send(Failure(refusal))
        assert (raised.value.error_code, raised.value.writes) == (code, True)
        if trouble is not None:
            # A reader that knows only statuses comes to the same.
            assert trouble_of(CallRejected("", status=raised.value.status)) is trouble

    @pytest.mark.parametrize(
        ("words", "code", "status", "may"),
        [
            ("no such action: VINTED_GET_WARDROBE", None, None, True),
            ("no", "unknown_action", None, True),
            ("no", None, 501, True),
            ("Failed to fetch", None, None, False),
            ("no", None, 403, False),
            ("this browser is not supported", None, 403, False),
            ("no member 123 is logged in", "not_found", 404, False),
        ],
    )
    def test_tells_an_older_plugin_from_what_passes(
        self, words: str, code: str | None, status: int | None, may: bool
    ) -> None:
        assert may_not_know_action(CallRejected(words, status=status, error_code=code)) is may

    @pytest.mark.parametrize("status", [None, 400, 401, 403, 404, 409, 422, 429, 500])
    @pytest.mark.parametrize(
        "code",
        [None, "strange", "login_required", "forbidden", "x_captcha_y", "rate_limit", "gone"],
    )
    def test_closes_the_shop_where_it_lets_the_job_wait_for_its_seller(
        self, status: int | None, code: str | None
    ) -> None:
        answer = Answer(status, error_code=code, from_browser=True)
        signals = read_browser_answer(answer, datetime(2026, 1, 9, tzinfo=UTC))
        error = sorted_out(CallRejected("no", status=status, error_code=code))
        trouble = account_trouble(error, "vinted", 1, browser_bound=True)
        assert signals.needs is (trouble.kind if trouble else None)
        assert signals.refused is (error.status == 429)

    def test_of_another_account_comes_from_the_answer(self) -> None:
        coroutine, _ = first_turn(1, 50)
        page = Wardrobe.of(1).page(1) | {"account": {"id": 999, "login": "other"}}
        with pytest.raises(NeedsUser, match=r"account 999, and the shop is 123"):
            coroutine.send(Success(page))


class TestPage:
    def test_reads_vinteds_own_shape(self) -> None:
        page = parse_sync({"items": [ITEM], "pagination": PAGINATION}, 1)
        assert page == {
            "rows": [
                {
                    "external_id": "4000000001",
                    "title": "Example item 1",
                    "price": "6.50",
                    "currency": "EUR",
                    "url": "https://www.vinted.fr/items/4000000001",
                    "data": ITEM,
                    "flaw": None,
                }
            ],
            "unidentified": 0,
            "total_pages": 1,
            "total_entries": 1,
        }

    @pytest.mark.parametrize(
        ("told", "price", "currency"),
        [
            ({"price": "12.0", "currency": "EUR"}, "12.00", "EUR"),
            ({"price": 12}, "12.00", None),
            ({"price": {"amount": "7.5", "currency_code": "gbp"}}, "7.50", "GBP"),
            ({"price": None, "currency": "EUR"}, None, "EUR"),
            ({}, None, None),
        ],
    )
    def test_reads_a_price_in_each_shape(
        self, told: dict[str, Any], price: str | None, currency: str | None
    ) -> None:
        [row] = rows({"id": 1, **told})["rows"]
        assert (row["price"], row["currency"], row["flaw"]) == (price, currency, None)

    @pytest.mark.parametrize("item", [None, 7, "4", [], {}, {"title": "no id"}, {"id": None}])
    def test_counts_items_that_cannot_be_told_apart(self, item: Any) -> None:
        page = rows(ITEM, item)
        assert (len(page["rows"]), page["unidentified"]) == (1, 1)

    @pytest.mark.parametrize("bad", [True, 1.5, "", "a\0", "\ud800", "x" * 256, [1], {"$": 1}])
    def test_an_id_is_text_or_an_integer(self, bad: Any) -> None:
        assert rows(ITEM, {"id": bad})["unidentified"] == 1

    @pytest.mark.parametrize(
        "told",
        [
            {"title": "a\0b"},
            {"title": ["deep"]},
            {"price": "a lot"},
            {"price": "-1"},
            {"price": "NaN"},
            {"price": "1e999999"},
            {"price": "10000000000"},
            {"price": True},
            {"price": [1]},
            {"price": {"amount": {}}},
            {"price": 1, "currency": "EURO"},
            {"currency": "€"},
            {"url": 5},
            {"brand": float("nan")},
            {"photo": {"\0": 1}},
            {"description": "x" * 70_000},
        ],
    )
    def test_an_item_whose_details_cannot_be_stored_is_still_known_by_its_id(
        self, told: dict[str, Any]
    ) -> None:
        page = rows(ITEM, {"id": 5, **told})
        assert page["unidentified"] == 0
        assert page["rows"][0]["flaw"] is None
        flawed = page["rows"][1]
        assert (flawed["external_id"], flawed["data"], flawed["title"]) == ("5", {}, None)
        assert flawed["flaw"]

    def test_total_entries_may_be_left_out(self) -> None:
        pagination = {"current_page": 1, "total_pages": 1}
        assert read_page([ITEM], pagination)["total_entries"] is None

    @pytest.mark.parametrize("total_pages", [0, 1])
    def test_an_empty_wardrobe_is_a_page(self, total_pages: int) -> None:
        pagination = {"current_page": 1, "total_pages": total_pages}
        assert read_page([], pagination)["rows"] == []

    def test_past_the_end_any_page_may_come_back(self) -> None:
        pagination = {"current_page": 2, "total_pages": 2}
        assert read_page([ITEM], pagination, 3)["total_pages"] == 2

    @pytest.mark.parametrize(
        ("answer", "problem"),
        [
            (None, "it is not an object"),
            ([], "it is not an object"),
            ("nope", "it is not an object"),
            ({}, "expected were {items, pagination} and {imported, updated, errors}"),
            ({"pagination": PAGINATION}, "`items` is not a list"),
            ({"items": {}, "pagination": PAGINATION}, "`items` is not a list"),
            ({"items": []}, "`pagination` is not an object"),
            ({"items": [], "pagination": [1]}, "`pagination` is not an object"),
            ({"items": [], "pagination": {}}, "`current_page` is not a count"),
            (
                {"items": [], "pagination": {"current_page": 1}},
                "`total_pages` is not a count",
            ),
            (
                {"items": [], "pagination": {**PAGINATION, "total_pages": "18"}},
                "`total_pages` is not a count",
            ),
            (
                {"items": [], "pagination": {**PAGINATION, "total_pages": True}},
                "`total_pages` is not a count",
            ),
            (
                {"items": [], "pagination": {**PAGINATION, "total_pages": -1}},
                "`total_pages` is not a count",
            ),
            (
                {"items": [], "pagination": {**PAGINATION, "total_entries": "many"}},
                "`total_entries` is not a count",
            ),
            ({"items": [ITEM], "pagination": {**PAGINATION, "current_page": 2}}, "it is page 2"),
            (
                {"items": [], "pagination": {**PAGINATION, "total_pages": 3}},
                "it is empty, though 3 pages are announced",
            ),
            (
                {"items": [ITEM], "pagination": {**PAGINATION, "total_pages": 0}},
                "it has items, though 0 pages are announced",
            ),
        ],
    )
    def test_names_what_is_wrong_with_an_answer(
        self, answer: dict[str, Any] | str | list[Any] | None, problem: str
    ) -> None:
        with pytest.raises(JobFailed) as raised:
            parse_sync(answer, 1)
        assert f"page 1 cannot be used: {problem} (update" in str(raised.value)

    def test_shows_a_little_of_a_bad_answer(self) -> None:
        with pytest.raises(JobFailed) as raised:
            parse_sync({"a": "x" * 10_000, **{f"k{n}": "y" * 90 for n in range(50)}}, 1)
        message = str(raised.value)
        assert "{'a': 'xxx" in message
        assert len(message) < 600


class TestSummary:
    def test_is_what_older_plugins_answer(self) -> None:
        summary = {"imported": 3, "updated": 2, "errors": 1}
        assert parse_sync({**summary, "duration": 4}, 1) == summary

    def test_is_refused_in_the_middle_of_a_walk(self) -> None:
        with pytest.raises(JobFailed, match=r"page 2 cannot be used: expected were \{items"):
            parse_sync({"imported": 3, "updated": 2, "errors": 1}, 2)

    @pytest.mark.parametrize("bad", [{"updated": None}, {"errors": "1"}, {"imported": -1}])
    def test_holds_counts(self, bad: dict[str, Any]) -> None:
        with pytest.raises(JobFailed, match="is not a count"):
            parse_sync({"imported": 3, "updated": 2, "errors": 1, **bad}, 1)


def test_the_marketplace_record_holds_the_seven_action_types() -> None:
    def pace(milliseconds: int) -> timedelta:
        return timedelta(milliseconds=milliseconds)

    facts = {
        one.code: (one.priority, one.is_batch, one.rate_limit, one.max_retries, one.timeout)
        for one in ACTION_TYPES
    }
    assert facts == {
        "message": (1, False, pace(1000), 3, timedelta(seconds=30)),
        "orders": (3, True, pace(1500), 3, timedelta(seconds=60)),
        "publish": (3, False, pace(2500), 3, timedelta(seconds=120)),
        "update": (3, False, pace(2000), 3, timedelta(seconds=60)),
        "delete": (4, False, pace(2000), 3, timedelta(seconds=30)),
        "sync": (4, True, pace(1500), 3, timedelta(seconds=300)),
        "link_product": (3, False, pace(500), 3, timedelta(seconds=120)),
    }
    one = vinted()
    assert (one.browser_bound, one.lane_concurrency, one.lane_calls) == (True, 1, 1)
