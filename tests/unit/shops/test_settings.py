"""Settings of shops."""

import pytest

from runtime.errors import InputError
from runtime.marketplaces.record import Marketplace, ShopSetting
from runtime.shops.settings import changed_settings, parsed_settings

EBAY = Marketplace(
    "ebay",
    shop_settings={
        "marketplace_id": ShopSetting("the site", pattern=r"EBAY_[A-Z]{2}", example="EBAY_FR"),
        "category_map": ShopSetting("categories", is_json=True, example='{"Shoes": "63889"}'),
    },
)


def test_settings_are_read_and_merged() -> None:
    changes = parsed_settings(EBAY, ["marketplace_id=EBAY_FR", 'category_map={"A=B": "1"}'])
    assert changes == {"marketplace_id": "EBAY_FR", "category_map": {"A=B": "1"}}
    assert changed_settings({"currency": "EUR"}, changes) == {"currency": "EUR", **changes}


def test_an_empty_value_takes_a_setting_away() -> None:
    changes = parsed_settings(EBAY, ["marketplace_id="])
    assert changed_settings({"marketplace_id": "EBAY_FR", "x": 1}, changes) == {"x": 1}


def test_everything_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        parsed_settings(EBAY, ["marketplace_id=France", "category_map={", "policy=1", "nonsense"])
    message = str(caught.value)
    for part in ("EBAY_FR", "must be JSON", "'policy' is no setting of ebay", "no name=value"):
        assert part in message
    assert "Known: marketplace_id (the site)" in message


@pytest.mark.parametrize("value", ["[1]", "1", "null", '"Shoes"', "[" * 100_000])
def test_json_of_another_kind_is_refused(value: str) -> None:
    with pytest.raises(InputError, match="category_map must be"):
        parsed_settings(EBAY, [f"category_map={value}"])


def test_shops_of_every_marketplace_can_follow_sales() -> None:
    assert parsed_settings(Marketplace("other"), ["follow_sales=yes"]) == {"follow_sales": "yes"}
    with pytest.raises(InputError, match="follow_sales"):
        parsed_settings(EBAY, ["follow_sales=maybe"])
