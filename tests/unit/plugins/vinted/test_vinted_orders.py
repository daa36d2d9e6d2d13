"""orders_vinted reads what it can in a sale of which not all can be read."""

from typing import Any

import pytest

from plugins.vinted.orders import parse_order
from runtime.errors import InputError


def test_pieces_that_cannot_be_told_do_not_hide_the_others() -> None:
    pieces = [{"id": None}, "?", {"id": 5, "title": ["a"]}]
    row = parse_order({"id": 1, "items": pieces, "status": "paid"})
    assert [(one["listing_external_id"], one["title"]) for one in row["lines"]] == [("5", None)]
    assert row["sold"]


@pytest.mark.parametrize("status", ["Cancelled", "Transaction annulée", "Remboursé", "Storniert"])
def test_what_the_seller_has_back_is_not_sold_in_any_language(status: str) -> None:
    assert not parse_order({"id": 1, "items": [], "status": status})["sold"]


@pytest.mark.parametrize("entry", [None, "1", {}, {"id": None}, {"id": {"a": 1}}, {"id": ""}])
def test_an_order_that_cannot_be_told_from_others_is_refused(
    entry: dict[str, Any] | str | None,
) -> None:
    with pytest.raises(InputError):
        parse_order(entry)
