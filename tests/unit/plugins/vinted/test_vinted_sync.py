"""sync_vinted: what it asks the browser, what it stores, and when it says that a thing is gone."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.vinted import sync
from plugins.vinted.marketplace import vinted
from plugins.vinted.sandbox import Wardrobe, example_item
from plugins.vinted.sync import SyncVinted
from runtime.errors import CallRejected, CallTimeout, JobFailed
from runtime.runs.calls import ProgressCall
from runtime.runs.execution import Failed, Finished
from runtime.runs.failed_steps import failed_step
from runtime.store import (
    ListingRow,
    begin_walk,
    count_unseen_listings,
    mark_unseen_gone,
    upsert_listings,
)
from tests.support.handlers.handler_harness import Browser, HandlerRun, Journal, drive, make_job

Alter = Callable[[dict[str, Any], int], Any]
"""Makes another answer of a page and its number."""


@dataclass
class Sighting:
    row: ListingRow
    seen: str
    live: bool = True


@dataclass
class Store:
    """`runtime.store`, in memory."""

    rows: dict[str, Sighting] = field(default_factory=dict)
    moments: int = 0

    def now(self) -> str:
        self.moments += 1
        return (datetime(2026, 1, 9, tzinfo=UTC) + timedelta(seconds=self.moments)).isoformat()

    def begin_walk(self, session: object, shop_id: int) -> str:
        return self.now()

    def upsert_listings(
        self, session: object, shop_id: int, walk: str, rows: Sequence[ListingRow]
    ) -> Counter[str]:
        counts = Counter(imported=0, updated=0, errors=0)
        unseen = {
            one["external_id"]: "updated" if one["external_id"] in self.rows else "imported"
            for one in rows
            if one["external_id"] not in self.rows or self.rows[one["external_id"]].seen < walk
        }
        flawed = {one["external_id"] for one in rows if one["flaw"]}
        for one in rows:
            self.rows[one["external_id"]] = Sighting(one, self.now())
        for external_id, name in unseen.items():
            counts["errors" if external_id in flawed else name] += 1
        return counts

    def _unseen(self, walk: str) -> list[Sighting]:
        return [one for one in self.rows.values() if one.live and one.seen < walk]

    def count_unseen_listings(self, session: object, shop_id: int, walk: str) -> int:
        return len(self._unseen(walk))

    def mark_unseen_gone(self, session: object, shop_id: int, walk: str) -> int:
        unseen = self._unseen(walk)
        for one in unseen:
            one.live = False
        return len(unseen)

    @property
    def live(self) -> set[str]:
        return {external_id for external_id, one in self.rows.items() if one.live}

    def run(self, browser: Browser, **options: Any) -> HandlerRun:
        instead: dict[Callable[..., Any], Callable[..., Any]] = {
            begin_walk: self.begin_walk,
            upsert_listings: self.upsert_listings,
            count_unseen_listings: self.count_unseen_listings,
            mark_unseen_gone: self.mark_unseen_gone,
        }
        job = make_job(input_data=options.pop("input_data", {}))
        return drive(SyncVinted, job, browser, instead=instead, **options)


def ids(wardrobe: Wardrobe) -> set[str]:
    return {str(item["id"]) for item in wardrobe.items()}


def browser_of(
    wardrobe: Wardrobe,
    *,
    before: Callable[[int], object] | None = None,
    alter: Alter | None = None,
) -> Browser:
    """Answers from the wardrobe.

    Args:
        before: called with the number of each command, before it is answered.
        alter: makes another answer of an answer and its page's number.
    """
    commands = 0

    def answer(action: str, payload: dict[str, Any]) -> Any:
        nonlocal commands
        assert action == "VINTED_SYNC"
        commands += 1
        if before:
            before(commands)
        page = wardrobe.page(payload["page"], payload["per_page"])
        return alter(page, payload["page"]) if alter else page

    return answer


def paginated(**changes: Any) -> Alter:
    """Alter the pagination of every page; a value may be a function of the page's number."""

    def alter(page: dict[str, Any], number: int) -> dict[str, Any]:
        for name, value in changes.items():
            page["pagination"][name] = value(number) if callable(value) else value
        return page

    return alter


class TestWalk:
    def test_goes_over_eighteen_pages(self) -> None:
        store, wardrobe = Store(), Wardrobe.of(1_700)
        run = store.run(browser_of(wardrobe))
        assert run.end == Finished(
            {
                "success": True,
                "imported": 1_700,
                "updated": 0,
                "errors": 0,
                "gone": 0,
                "pages": 18,
            }
        )
        assert run.commands == [
            ("VINTED_SYNC", {"shop_id": "123", "page": page, "per_page": 96})
            for page in range(1, 19)
        ]
        assert run.transactions == [
            "begin-walk",
            *(f"store-page-{page}" for page in range(1, 19)),
            "mark-gone",
        ]
        assert run.progress[0] == ProgressCall(1, 18, "96 listings")
        assert run.progress[-1] == ProgressCall(18, 18, "1700 listings")
        assert len(run.progress) == 18
        assert store.live == ids(wardrobe)

    def test_a_second_sync_updates_and_marks_what_is_gone(self) -> None:
        store, wardrobe = Store(), Wardrobe.of(200)
        store.run(browser_of(wardrobe))
        sold = wardrobe.items()[150]["id"]
        wardrobe.remove(sold)
        wardrobe.add(example_item(201))
        result = store.run(browser_of(wardrobe)).result
        assert result == {
            "success": True,
            "imported": 1,
            "updated": 199,
            "errors": 0,
            "gone": 1,
            "pages": 3,
        }
        assert store.live == ids(wardrobe)

    def test_what_appears_again_is_live_again(self) -> None:
        store, wardrobe = Store(), Wardrobe.of(3)
        store.run(browser_of(wardrobe))
        item = wardrobe.remove(example_item(2)["id"])
        assert item is not None
        assert store.run(browser_of(wardrobe)).result["gone"] == 1
        wardrobe.add(item)
        result = store.run(browser_of(wardrobe)).result
        assert (result["imported"], result["updated"], result["gone"]) == (0, 3, 0)
        assert store.live == ids(wardrobe)

    @pytest.mark.parametrize("total_pages", [0, 1])
    def test_an_emptied_wardrobe_has_nothing_left(self, total_pages: int) -> None:
        store = Store()
        store.run(browser_of(Wardrobe.of(100)))
        empty = browser_of(Wardrobe(), alter=paginated(total_pages=total_pages))
        result = store.run(empty).result
        assert (result["gone"], result["pages"], store.live) == (100, 1, set())

    def test_asks_for_as_many_at_once_as_the_job_says(self) -> None:
        run = Store().run(browser_of(Wardrobe.of(20)), input_data={"per_page": 7})
        assert [payload["per_page"] for _, payload in run.commands] == [7, 7, 7]
        assert run.result["imported"] == 20

    @pytest.mark.parametrize("per_page", [0, 97, -1, "96", 9.5, True, None, [96]])
    def test_refuses_a_page_size_that_vinted_does_not_take(self, per_page: Any) -> None:
        run = Store().run(browser_of(Wardrobe.of(20)), input_data={"per_page": per_page})
        assert isinstance(run.error, JobFailed)
        assert "per_page must be" in str(run.error)
        assert run.commands == []

    def test_a_bridge_that_serves_smaller_pages_is_walked_to_the_end(self) -> None:
        wardrobe, store = Wardrobe.of(100), Store()
        run = store.run(lambda _, payload: wardrobe.page(payload["page"], 20))
        assert (run.result["pages"], store.live) == (5, ids(wardrobe))

    def test_pages_that_do_not_count_their_entries_will_do(self) -> None:
        store, wardrobe = Store(), Wardrobe.of(100)
        store.run(browser_of(wardrobe))
        wardrobe.remove(example_item(40)["id"])
        run = store.run(browser_of(wardrobe, alter=paginated(total_entries=None)))
        assert run.result["gone"] == 1


@pytest.fixture(scope="module")
def walked() -> Store:
    store = Store()
    store.run(browser_of(Wardrobe.of(1_700)))
    return store


class TestWalkThatDoesNotReachTheEnd:
    @pytest.fixture
    def store(self, walked: Store) -> Store:
        """A store of its own for each test, after one walk for all."""
        return Store({name: replace(one) for name, one in walked.rows.items()}, walked.moments)

    @pytest.mark.parametrize(
        "failure", [CallTimeout("no answer"), CallRejected("captcha", status=403)]
    )
    def test_a_failure_after_the_first_page_marks_nothing_gone(
        self, store: Store, failure: CallTimeout | CallRejected
    ) -> None:
        def fail(number: int) -> None:
            if number == 2:
                raise failure

        before = store.live
        run = store.run(browser_of(Wardrobe.of(1_000), before=fail))
        assert run.end == Failed(failure)
        assert failed_step(failure) == "page-2"
        assert store.live == before
        assert "mark-gone" not in run.transactions

    @pytest.mark.parametrize(
        ("alter", "message"),
        [
            (lambda page, _: {"items": page["items"]}, "`pagination` is not an object"),
            (lambda page, _: [], "it is not an object"),
            (paginated(total_pages="18"), "`total_pages` is not a count"),
            (paginated(current_page=1), "page 2 cannot be used: it is page 1"),
            (
                lambda page, number: page if number < 5 else {**page, "items": []},
                "page 5 cannot be used: it is empty, though 18 pages are announced",
            ),
            (
                lambda page, number: (
                    {"imported": 5, "updated": 5, "errors": 0} if number == 3 else page
                ),
                "page 3 cannot be used: expected were {items, pagination}",
            ),
            (
                paginated(total_pages=10**9),
                "has 1,000,000,000 pages, as page 1 says, and that is more than 100,000 listings",
            ),
        ],
    )
    def test_an_odd_answer_fails_the_job_and_marks_nothing_gone(
        self, store: Store, alter: Alter, message: str
    ) -> None:
        before = store.live
        run = store.run(browser_of(Wardrobe.of(1_700), alter=alter))
        assert isinstance(run.error, JobFailed)
        assert message in str(run.error)
        assert store.live == before

    def test_a_browser_that_ignores_the_page_is_found_out(self, store: Store) -> None:
        before = store.live
        wardrobe = Wardrobe.of(1_700)

        def answer(action: str, payload: dict[str, Any]) -> dict[str, Any]:
            page = wardrobe.page(1)
            page["pagination"]["current_page"] = payload["page"]
            return page

        run = store.run(answer)
        assert "page 2 of the wardrobe is page 1 once more" in str(run.error)
        assert store.live == before

    def test_pages_without_end_are_left_at_some_point(self, store: Store) -> None:
        before = store.live
        run = store.run(
            lambda _, payload: {
                "items": [{"id": payload["page"]}],
                "pagination": {
                    "current_page": payload["page"],
                    "total_pages": payload["page"] + 1,
                },
            }
        )
        assert "more than 100,000 listings" in str(run.error)
        assert len(run.commands) == 1_041
        assert before <= store.live

    def test_pages_that_go_in_circles_say_nothing_about_what_is_gone(self, store: Store) -> None:
        before = store.live
        wardrobe = Wardrobe.of(1_700)

        def answer(action: str, payload: dict[str, Any]) -> dict[str, Any]:
            page = wardrobe.page(2 - payload["page"] % 2)
            page["pagination"]["current_page"] = payload["page"]
            return page

        run = store.run(answer)
        assert run.result["gone"] == 0
        assert "1700 were announced and 192 seen" in run.result["warning"]
        assert store.live == before


class TestOlderPlugin:
    def test_its_summary_ends_the_job(self) -> None:
        store = Store()
        store.run(browser_of(Wardrobe.of(100)))
        before = store.live
        run = store.run(lambda *_: {"imported": 50, "updated": 4, "errors": 1})
        assert run.result == {
            "success": True,
            "imported": 50,
            "updated": 4,
            "errors": 1,
            "gone": 0,
            "pages": 1,
        }
        assert len(run.commands) == 1
        assert store.live == before


class TestBadItems:
    def test_are_counted_and_do_not_hold_up_the_others(self) -> None:
        store, wardrobe = Store(), Wardrobe.of(100)
        wardrobe.add({"title": "no id"})
        wardrobe.add({"id": 5, "price": "1e400"})
        result = store.run(browser_of(wardrobe)).result
        assert (result["imported"], result["errors"]) == (100, 2)
        assert "warning" not in result

    def test_one_without_details_is_still_there(self) -> None:
        store = Store()
        wardrobe = Wardrobe([example_item(1), {"id": 5, "title": "Fine"}])
        store.run(browser_of(wardrobe))
        wardrobe = Wardrobe([{"id": 5, "title": "Not\0fine"}])
        result = store.run(browser_of(wardrobe)).result
        assert (result["updated"], result["errors"], result["gone"]) == (0, 1, 1)
        assert store.live == {"5"}

    def test_one_without_an_id_might_be_any(self) -> None:
        store, wardrobe = Store(), Wardrobe.of(3)
        store.run(browser_of(wardrobe))
        items = wardrobe.items()
        run = store.run(browser_of(Wardrobe([*items[:2], {**items[2], "id": None}])))
        assert store.live == ids(wardrobe)
        assert run.result["errors"] == 1
        assert run.result["gone"] == 0
        assert run.result["warning"] == (
            "1 listing(s) were not seen, but 1 item(s) had no usable id: none was marked as "
            "gone; sync again later"
        )


class TestWardrobeThatChangesMeanwhile:
    @pytest.mark.parametrize("totals", [{}, {"total_entries": None}], ids=["counted", "uncounted"])
    def test_a_listing_that_slips_onto_a_page_already_read_is_not_gone(
        self, totals: dict[str, Any]
    ) -> None:
        """Something on page 1 is sold after page 1 was read: all behind it move up by one."""
        store, wardrobe = Store(), Wardrobe.of(300)
        store.run(browser_of(wardrobe))
        slipping = str(wardrobe.items()[96]["id"])
        sold = wardrobe.items()[3]["id"]

        def sell(number: int) -> None:
            if number == 2:
                wardrobe.remove(sold)

        run = store.run(browser_of(wardrobe, before=sell, alter=paginated(**totals)))
        assert slipping in store.live
        assert run.result["gone"] == 0
        assert "warning" not in run.result
        assert [payload["page"] for _, payload in run.commands] == [1, 2, 3, 4, 1, 2, 3, 4]

    def test_a_listing_that_moves_to_the_top_is_not_gone(self) -> None:
        """Nothing but the number of listings seen tells that one was missed."""
        store, wardrobe = Store(), Wardrobe.of(300)
        store.run(browser_of(wardrobe))

        def move_up(number: int) -> None:
            if number == 3:
                item = wardrobe.remove(wardrobe.items()[250]["id"])
                assert item is not None
                wardrobe.add(item)

        run = store.run(browser_of(wardrobe, before=move_up))
        assert store.live == ids(wardrobe)
        assert (run.result["updated"], run.result["gone"], len(run.commands)) == (300, 0, 8)

    def test_a_wardrobe_that_never_rests_leaves_the_question_open(self) -> None:
        store, wardrobe = Store(), Wardrobe.of(300)
        store.run(browser_of(wardrobe))
        wardrobe.remove(example_item(300)["id"])
        run = store.run(
            browser_of(wardrobe, before=lambda number: wardrobe.add(example_item(300 + number)))
        )
        assert run.result["gone"] == 0
        assert run.result["warning"].startswith(
            "1 listing(s) were not seen, but it changed while it was read: none"
        )
        assert len(run.commands) == 12

    def test_a_listing_on_two_pages_counts_once(self) -> None:
        store, wardrobe = Store(), Wardrobe.of(200)

        def publish(number: int) -> None:
            if number == 2:
                wardrobe.add(example_item(201))

        run = store.run(browser_of(wardrobe, before=publish))
        assert (run.result["imported"], run.result["updated"]) == (200, 0)
        assert "warning" not in run.result

    def test_a_look_that_leaves_a_doubt_is_enough_where_nothing_is_missing(self) -> None:
        run = Store().run(browser_of(Wardrobe.of(200), alter=paginated(total_entries=9_999)))
        assert (len(run.commands), run.result["imported"]) == (3, 200)
        assert "warning" not in run.result

    def test_pages_that_come_meanwhile_are_read_too(self) -> None:
        store, wardrobe = Store(), Wardrobe.of(192)
        always = ids(wardrobe)

        def publish(number: int) -> None:
            if number == 2:
                for one in range(200, 300):
                    wardrobe.add(example_item(one))

        run = store.run(browser_of(wardrobe, before=publish))
        assert run.result["pages"] == 4
        assert always <= store.live

    def test_pages_that_go_meanwhile_are_not_missed(self) -> None:
        store, wardrobe = Store(), Wardrobe.of(400)
        store.run(browser_of(wardrobe))

        def sell(number: int) -> None:
            if number == 4:
                for one in wardrobe.items()[96:]:
                    wardrobe.remove(one["id"])

        run = store.run(browser_of(wardrobe, before=sell))
        assert [payload["page"] for _, payload in run.commands] == [1, 2, 3, 4, 1]
        assert run.progress[3] == ProgressCall(4, 4, "288 listings")
        assert ids(wardrobe) <= store.live
        # The first look saw pages 2 and 3 before they went; the next sync finds them gone.
        assert run.result["gone"] == 400 - 3 * 96
        assert store.run(browser_of(wardrobe)).result["gone"] == 2 * 96
        assert store.live == ids(wardrobe)


class TestSecondRun:
    @pytest.mark.parametrize("crash_after", range(1, 16))
    def test_goes_on_where_a_crash_left_the_first(self, crash_after: int) -> None:
        """Results of the steps that were recorded come back; nothing of them is done twice."""
        store, wardrobe = Store(), Wardrobe.of(300)
        store.run(browser_of(wardrobe))
        wardrobe.remove(example_item(7)["id"])
        journal: Journal = {}
        first = store.run(browser_of(wardrobe), journal=journal, crash_after=crash_after)
        if first.end is None:
            second = store.run(browser_of(wardrobe), journal=journal)
            assert len(first.commands) + len(second.commands) <= 5
            assert second.result["pages"] == 4
            assert (second.result["updated"], second.result["gone"]) == (299, 1)
        assert store.live == ids(wardrobe)

    def test_a_page_that_could_not_be_used_is_asked_for_again(self) -> None:
        store, wardrobe = Store(), Wardrobe.of(300)
        journal: Journal = {}
        first = store.run(browser_of(wardrobe, alter=lambda *_: "garbage"), journal=journal)
        assert isinstance(first.error, JobFailed)
        second = store.run(browser_of(wardrobe), journal=journal)
        assert second.result["imported"] == 300

    def test_a_repeated_page_is_asked_for_again(self) -> None:
        store, wardrobe = Store(), Wardrobe.of(300)
        journal: Journal = {}

        def stuck(action: str, payload: dict[str, Any]) -> dict[str, Any]:
            page = wardrobe.page(1)
            page["pagination"]["current_page"] = payload["page"]
            return page

        assert isinstance(store.run(stuck, journal=journal).error, JobFailed)
        second = store.run(browser_of(wardrobe), journal=journal)
        assert [payload["page"] for _, payload in second.commands] == [2, 3, 4]
        assert second.result["imported"] == 300


wardrobes = st.lists(st.integers(1, 30), unique=True, max_size=25).map(
    lambda numbers: [example_item(number) for number in numbers]
)
changes = st.dictionaries(
    st.integers(1, 12),
    st.lists(
        st.one_of(
            st.tuples(st.just("sell"), st.integers(0, 40)),
            st.tuples(st.just("publish"), st.integers(100, 999)),
            st.tuples(st.just("move up"), st.integers(0, 40)),
        ),
        min_size=1,
        max_size=3,
    ),
    max_size=6,
)


def change(wardrobe: Wardrobe, kind: str, number: int) -> None:
    items = wardrobe.items()
    if kind == "publish":
        if all(item["id"] != example_item(number)["id"] for item in items):
            wardrobe.add(example_item(number))
    elif items:
        item = wardrobe.remove(items[number % len(items)]["id"])
        if kind == "move up":
            assert item is not None
            wardrobe.add(item)


class TestProperties:
    @settings(deadline=None)
    @given(earlier=wardrobes, now=wardrobes, per_page=st.integers(1, 9))
    def test_after_a_walk_the_listings_are_the_wardrobe(
        self, earlier: list[dict[str, Any]], now: list[dict[str, Any]], per_page: int
    ) -> None:
        store = Store()
        for items in (earlier, now):
            wardrobe = Wardrobe(items)
            run = store.run(browser_of(wardrobe), input_data={"per_page": per_page})
            assert run.result["imported"] + run.result["updated"] == len(items)
            assert store.live == ids(wardrobe)

    @settings(deadline=None)
    @given(earlier=wardrobes, now=wardrobes, per_page=st.integers(1, 9), stop=st.integers(0, 60))
    def test_a_walk_that_stops_on_the_way_marks_nothing_gone(
        self, earlier: list[dict[str, Any]], now: list[dict[str, Any]], per_page: int, stop: int
    ) -> None:
        store = Store()
        store.run(browser_of(Wardrobe(earlier)))
        before = store.live
        run = store.run(
            browser_of(Wardrobe(now)), input_data={"per_page": per_page}, crash_after=stop
        )
        if "mark-gone" not in run.transactions:
            assert before <= store.live
            assert run.end is None

    @settings(deadline=None)
    @given(items=wardrobes, per_page=st.integers(1, 9), changes=changes)
    def test_what_is_on_sale_all_the_time_is_never_gone(
        self, items: list[dict[str, Any]], per_page: int, changes: dict[int, list[tuple[str, int]]]
    ) -> None:
        store, wardrobe = Store(), Wardrobe(items)
        store.run(browser_of(wardrobe))
        always = ids(wardrobe)

        def happen(number: int) -> None:
            nonlocal always
            for kind, which in changes.get(number, ()):
                change(wardrobe, kind, which)
                always &= ids(wardrobe)

        run = store.run(browser_of(wardrobe, before=happen), input_data={"per_page": per_page})
        assert always <= store.live
        if isinstance(run.end, Finished) and run.result["gone"] == 0:
            return
        store.run(browser_of(wardrobe))
        assert store.live == ids(wardrobe)


def test_the_module_offers_the_handler_and_the_marketplace() -> None:
    assert sync.job_handler() is SyncVinted
    assert sync.marketplace() == vinted()
