"""The handlers of Vinted refuse wrong input, stop at trouble, and read odd answers."""

from collections.abc import Callable
from typing import Any

import pytest

from plugins.vinted import orders
from plugins.vinted.link_product import LinkProductVinted, link_to_product
from plugins.vinted.message import MessageVinted
from plugins.vinted.offer import checked_offer
from plugins.vinted.orders import OrdersVinted, parse_order
from plugins.vinted.publish import PublishVinted
from plugins.vinted.sandbox import Extension, Wardrobe, example_item, example_order
from plugins.vinted.update import UpdateVinted
from runtime.errors import CallRejected, InputError, JobFailed
from runtime.runs.execution import Failed
from runtime.storage.selling.order_rows import known_orders
from tests.support.handlers.handler_harness import HandlerRun, Journal, drive, make_job

PRODUCT = {
    "sku": "A-1", "title": "Robe", "description": "Bleue", "price": "12.50",
    "images": ["https://img.example/1.jpg"],
}  # fmt: skip


class TestOffer:
    def test_everything_that_is_wrong_is_named_at_once(self) -> None:
        flawed = PRODUCT | {
            "title": "x" * 101, "description": "y" * 3_001, "images": [], "quantity": 0,
        }  # fmt: skip
        with pytest.raises(JobFailed) as raised:
            checked_offer(flawed, in_stock=True)
        for words in (
            "title may have 100 characters",
            "description may have 3,000 characters",
            "images is missing",
            "quantity is 0",
            "nothing was sent",
        ):
            assert words in str(raised.value)

    @pytest.mark.parametrize("price", ["0", "-1", "free", None])
    def test_a_price_is_more_than_0(self, price: str | None) -> None:
        with pytest.raises(JobFailed, match="price"):
            checked_offer(PRODUCT | {"price": price}, in_stock=True)

    def test_twenty_images_are_taken_and_no_more(self) -> None:
        images = [f"https://img.example/{number}.jpg" for number in range(21)]
        with pytest.raises(JobFailed, match="images may be 20 at most"):
            checked_offer(PRODUCT | {"images": images}, in_stock=True)
        assert checked_offer(PRODUCT | {"images": images[:20]}, in_stock=True)["sku"] == "A-1"

    def test_blanks_around_title_and_description_are_not_sent(self) -> None:
        padded = {"title": f" {'x' * 100}\n", "description": f"\n{' ' * 40_000}{'y' * 3_000} "}
        offer = checked_offer(PRODUCT | padded, in_stock=True)
        assert (offer["title"], offer["description"]) == ("x" * 100, "y" * 3_000)

    def test_blanks_alone_describe_nothing(self) -> None:
        with pytest.raises(JobFailed, match="description is missing"):
            checked_offer(PRODUCT | {"description": " \n" * 20_000}, in_stock=True)

    def test_what_is_sold_out_may_still_be_updated(self) -> None:
        assert checked_offer(PRODUCT | {"quantity": 0}, in_stock=False)["quantity"] == 0

    @pytest.mark.parametrize("handler", [PublishVinted, UpdateVinted])
    def test_a_job_needs_a_product(self, handler: type[UpdateVinted | PublishVinted]) -> None:
        run = drive(handler, make_job("publish"), lambda *_: None)
        assert "the job has no product" in str(run.error)


class TestTargets:
    @pytest.mark.parametrize("wrong", [True, 1.5, "", "../users", [1], {"id": 1}])
    def test_a_listing_is_named_by_its_id(self, wrong: Any) -> None:
        job = make_job("update", product=PRODUCT, input_data={"external_id": wrong})
        run = drive(UpdateVinted, job, lambda *_: None)
        assert "external_id must be the id of a listing" in str(run.error)
        assert run.commands == []


class Sales:
    """A browser with so many sales, and a store that knows some of them."""

    def __init__(self, count: int, known: int = 0) -> None:
        wardrobe = Wardrobe(shop_id="123")
        for number in range(count):
            wardrobe.sell(example_order(number))
        self.extension = Extension(wardrobe)
        self.known = {str(example_order(number)["id"]) for number in range(known)}
        self.stored: list[str] = []

    def run(
        self, answer: Callable[[dict[str, Any], int], Any] | None = None, **options: Any
    ) -> HandlerRun:
        def browser(action: str, payload: dict[str, Any]) -> Any:
            data = self.extension.execute(action, payload)["data"]
            return answer(data, payload["page"]) if answer else data

        def store(session: object, shop_id: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
            self.stored += [row["external_id"] for row in rows]
            new = [one for one in self.stored if one not in self.known]
            return {"new": new, "known": [], "sales": [], "jobs": []}

        instead: dict[Callable[..., Any], Callable[..., Any]] = {
            known_orders: lambda _, __, ids: sorted(self.known & set(ids)),
            orders.store: store,
        }
        job = make_job("orders", input_data=options.pop("input_data", {}))
        return drive(OrdersVinted, job, browser, instead=instead, **options)


class TestOrders:
    def test_stops_on_the_page_where_it_meets_what_is_stored(self) -> None:
        sales = Sales(300, known=150)
        run = sales.run()
        assert (run.result["pages"], len(sales.stored)) == (2, 192)

    def test_walks_on_to_the_end_where_it_is_told_to(self) -> None:
        sales = Sales(300, known=299)
        assert sales.run(input_data={"full": True}).result["pages"] == 4
        assert len(sales.stored) == 300

    @pytest.mark.parametrize("counted", [True, False])
    def test_an_order_that_slips_onto_a_page_already_read_is_not_lost(self, counted: bool) -> None:
        """One on page 1 disappears after pages 1 and 2 were read: all behind it move up."""
        sales = Sales(300)
        wardrobe = sales.extension.wardrobe

        def changing(data: dict[str, Any], page: int) -> dict[str, Any]:
            if page == 2 and len(wardrobe.orders_page(4)["orders"]) == 12:
                wardrobe.withdraw_sale(data["orders"][0]["id"])
            if not counted:
                data["pagination"].pop("total_entries")
            return data

        sales.run(changing)
        assert len(set(sales.stored)) == 300

    def test_stores_nothing_before_it_has_met_all(self) -> None:
        sales = Sales(300)

        def fails_on_page_3(data: dict[str, Any], page: int) -> dict[str, Any]:
            if page == 3:
                raise CallRejected("no", status=500)
            return data

        assert isinstance(sales.run(fails_on_page_3).end, Failed)
        assert sales.stored == []

    @pytest.mark.parametrize("crash_after", range(13))
    def test_goes_on_where_it_was_after_a_crash(self, crash_after: int) -> None:
        sales = Sales(300)
        journal: Journal = {}
        first = sales.run(journal=journal, crash_after=crash_after)
        again = sales.run(journal=journal)
        assert len(sales.stored) == 300
        asked = [payload["page"] for _, payload in first.commands + again.commands]
        assert sorted(set(asked)) == [1, 2, 3, 4]
        assert len(asked) <= 5  # the one that was not recorded yet is read again

    def test_a_page_that_comes_again_and_again_ends_the_walk(self) -> None:
        sales = Sales(300)

        def first_page(data: dict[str, Any], page: int) -> dict[str, Any]:
            first = sales.extension.wardrobe.orders_page(1)
            return first | {"pagination": data["pagination"]}

        assert "ignore `page`" in str(sales.run(first_page).error)

    def test_more_pages_than_can_be_are_refused(self) -> None:
        def endless(data: dict[str, Any], page: int) -> dict[str, Any]:
            return data | {"pagination": {"current_page": page, "total_pages": 2_000}}

        assert "more than 100,000 orders" in str(Sales(300).run(endless).error)

    def test_what_cannot_be_read_is_counted(self) -> None:
        sales = Sales(3)

        def broken(data: dict[str, Any], page: int) -> dict[str, Any]:
            data["orders"][1] = {"id": None}
            return data

        run = sales.run(broken)
        assert (run.result["errors"], len(sales.stored)) == (1, 2)

    @pytest.mark.parametrize(
        ("status", "sold"),
        [("paid", True), (None, True), ("Cancelled", False), ("refunded", False)],
    )
    def test_a_sale_that_was_called_off_sold_nothing(self, status: str | None, sold: bool) -> None:
        assert parse_order(example_order(1) | {"status": status})["sold"] is sold

    @pytest.mark.parametrize("entry", [None, [], {}, {"id": True}])
    def test_an_order_that_cannot_be_stored_is_refused(
        self, entry: dict[str, bool] | list[Any] | None
    ) -> None:
        with pytest.raises(InputError):
            parse_order(entry)


class TestLink:
    def run(self, answer: dict[str, Any] | None, **input_data: Any) -> HandlerRun:
        def browser(action: str, payload: dict[str, Any]) -> dict[str, Any] | None:
            if action == "VINTED_API_CALL":
                return answer
            return Wardrobe.of(1).page(1) | {"account": {"id": "123"}}

        job = make_job("link_product", input_data=input_data)
        return drive(
            LinkProductVinted,
            job,
            browser,
            instead={link_to_product: lambda *_: pytest.fail("stored")},
        )

    def test_a_listing_must_be_named(self) -> None:
        assert "external_id is missing" in str(self.run({}).error)

    @pytest.mark.parametrize("answer", [None, {}, {"item": []}, {"item": {"title": "no id"}}])
    def test_an_answer_without_an_item_is_refused(self, answer: dict[str, Any] | None) -> None:
        run = self.run(answer, external_id="5")
        assert "GET /items/5 cannot be used" in str(run.error)

    def test_an_answer_of_another_item_is_refused(self) -> None:
        run = self.run({"item": example_item(1)}, external_id="5")
        assert "asked for the listing 5, the browser answered with 4000000001" in str(run.error)

    def test_photos_that_are_none_are_named(self) -> None:
        item = example_item(1) | {"photos": [None, {"url": 5}, {}]}
        run = self.run({"item": item}, external_id=item["id"])
        assert "it has none at all" in str(run.error)


class TestMessage:
    @pytest.mark.parametrize(
        ("input_data", "words"),
        [
            ({}, ("conversation_id", "text")),
            ({"conversation_id": "a/b", "text": "x"}, ("conversation_id",)),
            ({"conversation_id": 5, "text": "  "}, ("text",)),
            ({"conversation_id": 5, "text": "x" * 2_001}, ("2,000 characters, not 2,001",)),
        ],
    )
    def test_what_is_wrong_is_named_at_once(
        self, input_data: dict[str, Any], words: tuple[str, ...]
    ) -> None:
        job = make_job("message", input_data=input_data)
        run = drive(MessageVinted, job, lambda *_: None)
        assert all(word in str(run.error) for word in words)
        assert run.commands == []
