"""The flaws of a product are told at once and in full, before anything is sent."""

import pytest

from runtime import JobFailed, product_to_sell, refuse_flaws


def test_a_product_comes_with_every_field() -> None:
    product = product_to_sell({"sku": "A-1", "title": "Jeans", "price": "12.50"})
    assert (product["sku"], product["quantity"], product["images"]) == ("A-1", 1, [])


def test_a_job_without_a_product_says_how_to_give_it_one() -> None:
    with pytest.raises(JobFailed, match="--product SKU"):
        product_to_sell(None)


def test_fields_that_cannot_be_used_are_named() -> None:
    with pytest.raises(JobFailed, match=r"title is missing.*nothing was sent"):
        product_to_sell({"sku": "A-1", "price": "12.50"})


def test_all_flaws_are_named_with_the_marketplace() -> None:
    refuse_flaws("A-1", "Depop", [])
    with pytest.raises(JobFailed, match=r"A-1 cannot be sold on Depop: no image; no title; noth"):
        refuse_flaws("A-1", "Depop", ["no image", "no title"])
