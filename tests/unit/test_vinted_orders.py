"""What orders_vinted reads in a sale of which not all can be read."""

import pytest

from plugins.vinted.orders import parse_order
from runtime.errors import InputError


def test_pieces_that_cannot_be_told_do_not_hide_the_others():
    pieces = [{"id": None}, "?", {"id": 5, "title": ["a"]}]
    row = parse_order({"id": 1, "items": pieces, "status": "paid"})
    assert [(one["listing_external_id"], one["title"]) for one in row["lines"]] == [("5", None)]
    assert row["sold"]


@pytest.mark.parametrize("entry", [None, "1", {}, {"id": None}, {"id": {"a": 1}}, {"id": ""}])
def test_an_order_that_cannot_be_told_from_others_is_refused(entry):
    with pytest.raises(InputError):
        parse_order(entry)
