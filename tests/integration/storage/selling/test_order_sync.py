"""Where a sync of orders begins: what happened since the last one that reached its end."""

from datetime import datetime, timedelta

from runtime.storage.selling import order_sync
from runtime.storage.selling.order_sync import OrderWindow
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_shop


def _begin(database: Database, shop_id: int) -> OrderWindow:
    with database.session.begin() as session:
        return order_sync.begin_order_sync(session, shop_id)


def _finish(database: Database, shop_id: int, window: OrderWindow) -> None:
    with database.session.begin() as session:
        order_sync.finish_order_sync(session, shop_id, window["began"])


def test_the_first_sync_has_no_beginning_and_one_that_did_not_end_changes_nothing(
    database: Database,
) -> None:
    shop_id = add_shop(database, "ebay")
    assert _begin(database, shop_id)["since"] is None
    assert _begin(database, shop_id)["since"] is None


def test_the_next_one_begins_a_little_before_the_last_one_began(database: Database) -> None:
    shop_id = add_shop(database, "ebay")
    first = _begin(database, shop_id)
    _finish(database, shop_id, first)
    since = _begin(database, shop_id)["since"]
    assert since is not None
    gap = datetime.fromisoformat(first["began"]) - datetime.fromisoformat(since)
    assert timedelta(0) < gap <= order_sync.OVERLAP


def test_an_older_sync_that_ends_late_does_not_turn_the_time_back(database: Database) -> None:
    shop_id = add_shop(database, "ebay")
    older, newer = _begin(database, shop_id), _begin(database, shop_id)
    _finish(database, shop_id, newer)
    expected = _begin(database, shop_id)["since"]
    _finish(database, shop_id, older)
    assert _begin(database, shop_id)["since"] == expected
