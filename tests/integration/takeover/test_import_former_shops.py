"""Whose shop, and which product, a job of the former system is for."""

import pytest

from runtime.errors import InputError
from runtime.storage.models import SCHEMA
from runtime.storage.server.engine import Database
from runtime.takeover.shops import parsed_shops
from tests.support.database.job_rows import add_product
from tests.support.database.migrating import rows, run
from tests.support.database.taking_over import (
    UNKNOWN,
    take_over,
)


class TestShops:
    def test_an_account_that_nobody_names_is_a_closed_placeholder(self, moved: Database) -> None:
        take_over(moved)

        assert rows(
            moved,
            f"SELECT shop.external_id, closure.reason FROM {SCHEMA}.shops shop "
            f"JOIN {SCHEMA}.budget_closures closure ON closure.shop_id = shop.id",
        ) == [("former:37", f"{UNKNOWN} --shop-of 37/ebay=EXTERNAL_ID")]

    def test_it_opens_when_it_is_named(self, moved: Database) -> None:
        take_over(moved)

        take_over(moved, "user_37", "37/ebay=shop-37")

        assert rows(
            moved, f"SELECT external_id FROM {SCHEMA}.shops WHERE user_id = 37 ORDER BY 1"
        ) == [("333",), ("shop-37",)]
        assert rows(moved, f"SELECT FROM {SCHEMA}.budget_closures") == []

    def test_a_former_shop_is_the_account_of_that_id_or_the_one_named(
        self, moved: Database
    ) -> None:
        run(moved, "ALTER TABLE user_1.marketplace_jobs ADD COLUMN shop_id int DEFAULT 5")
        run(moved, "UPDATE user_1.marketplace_jobs SET shop_id = 6 WHERE id = 1")

        take_over(moved, "user_1", "1/vinted/6=666")

        assert rows(
            moved, f"SELECT DISTINCT marketplace, external_id FROM {SCHEMA}.shops ORDER BY 1, 2"
        ) == [("ebay", "5"), ("vinted", "5"), ("vinted", "666")]

    def test_which_of_several_is_asked(self, moved: Database) -> None:
        run(
            moved,
            f"INSERT INTO {SCHEMA}.shops (marketplace, user_id, external_id) "
            "VALUES ('ebay', 1, 'a'), ('ebay', 1, 'b')",
        )

        report = take_over(moved, "user_1", "1/vinted=111")

        assert [(one.former_id, "several shops on ebay (a, b)" in one.reason)
                for one in report.skipped] == [(8, True), (9, True)]  # fmt: skip
        assert report.jobs.total() == 7

    def test_an_account_of_another_user_is_refused(self, moved: Database) -> None:
        run(
            moved,
            f"INSERT INTO {SCHEMA}.shops (marketplace, user_id, external_id) "
            "VALUES ('ebay', 5, 'shop-1')",
        )

        report = take_over(moved, "user_1")

        assert {one.former_id for one in report.skipped} == {8, 9}
        assert "belongs to user 5" in report.skipped[0].reason

    def test_a_placeholder_whose_account_is_there_already_is_no_second_shop(
        self, moved: Database
    ) -> None:
        take_over(moved)
        run(
            moved,
            f"INSERT INTO {SCHEMA}.shops (marketplace, user_id, external_id) "
            "VALUES ('ebay', 37, 'real')",
        )

        take_over(moved, "user_37", "37/ebay=real")
        run(
            moved,
            "INSERT INTO user_37.marketplace_jobs (marketplace, action_type_id) "
            "SELECT 'ebay', action_type_id FROM user_37.marketplace_jobs WHERE id = 8",
        )

        assert take_over(moved, "user_37").skipped == []
        assert rows(
            moved,
            f"SELECT external_id, count(*) FROM {SCHEMA}.marketplace_jobs job "
            f"JOIN {SCHEMA}.shops shop ON shop.id = job.shop_id "
            "WHERE shop.user_id = 37 AND shop.marketplace = 'ebay' GROUP BY 1",
        ) == [("real", 3)]
        assert rows(moved, f"SELECT FROM {SCHEMA}.shops WHERE external_id = 'former:37'") == []

    def test_an_assignment_that_is_of_no_use_is_named(self, moved: Database) -> None:
        with pytest.raises(InputError, match="marketplace vintd, which is not known"):
            take_over(moved, "user_1", "1/vintd=5")

        report = take_over(moved, "user_1", "1/vinted= 5 ", "99/vinted=7")

        assert "--shop-of names user 99, of whom no schema was looked at" in report.notes
        assert ("5",) in rows(moved, f"SELECT external_id FROM {SCHEMA}.shops")

    def test_an_assignment_that_cannot_be_read_is_named(self) -> None:
        with pytest.raises(InputError, match="given twice, with different accounts"):
            parsed_shops(["1/vinted=1", "1/vinted=2"])
        with pytest.raises(InputError, match=r"--shop-of 'vinted=1' cannot be read"):
            parsed_shops(["vinted=1"])


class TestProducts:
    def test_a_job_waits_for_its_product_and_goes_on_when_it_is_there(
        self, moved: Database
    ) -> None:
        run(moved, "UPDATE user_1.marketplace_jobs SET product_id = 5 WHERE id IN (1, 3, 5)")
        product = (
            "SELECT former_id, product_id, product_key, status, waiting_reason IS NULL "
            f"FROM {SCHEMA}.marketplace_jobs job JOIN {SCHEMA}.former_rows former "
            "ON new_id = job.id AND table_name = 'marketplace_jobs' WHERE former_id IN (1, 3, 5) "
            "ORDER BY 1"
        )

        take_over(moved, "user_1")

        assert rows(moved, product) == [
            (1, None, "former:5", "paused", False),
            (3, None, "sku:A-1", "paused", False),
            (5, None, "former:5", "completed", True),
        ]
        add_product(moved, "X-9", user_id=2, attributes={"former_id": "5"})
        mine = add_product(moved, "X-5", user_id=1, attributes={"former_id": "5"})

        assert take_over(moved, "user_1").linked == 2

        assert rows(moved, product) == [
            (1, mine, f"id:{mine}", "pending", True),
            (3, mine, f"id:{mine}", "paused", False),
            (5, None, "former:5", "completed", True),
        ]

    def test_a_product_that_is_there_is_linked_at_once(self, moved: Database) -> None:
        run(moved, "UPDATE user_1.marketplace_jobs SET product_id = 5 WHERE id = 1")
        mine = add_product(moved, "X-5", user_id=1, attributes={"former_id": 5})

        take_over(moved, "user_1")

        assert rows(
            moved,
            f"SELECT status FROM {SCHEMA}.marketplace_jobs WHERE product_id = {mine}",
        ) == [("pending",)]
