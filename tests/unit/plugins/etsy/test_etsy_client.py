"""Etsy's client: what it sends, and what becomes of answers that are not what was promised."""

from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import pytest

from plugins.etsy.client import EtsyClient
from plugins.etsy.errors import NOT_FOUND, read_refusal
from runtime import ImageFile, JobFailed
from runtime.errors import CallRejected, OutcomeUnknown
from runtime.handlers.job_handler import BaseJobHandler
from runtime.runs.calls import Failure, HttpCall, Outcome, Success
from runtime.runs.job import Shop
from tests.support.handlers.handler_harness import make_job

DRAFTED = Success({"listing_id": 5, "state": "draft"})


def client(external_id: str = "5001") -> EtsyClient:
    job = make_job("publish", "etsy", shop=Shop(1, external_id))
    return EtsyClient(BaseJobHandler(job), timedelta(seconds=7))


def sent(
    coroutine: Coroutine[Any, Any, Any], outcome: Outcome = DRAFTED
) -> tuple[HttpCall, dict[str, Any] | bool | None]:
    """The call that is made, and what comes back of its outcome."""
    call = coroutine.send(None)
    assert isinstance(call, HttpCall)
    try:
        coroutine.send(outcome)
    except StopIteration as end:
        return call, end.value
    raise AssertionError("a second call")


def rejected(code: str | None, status: int = 404) -> Failure:
    return Failure(CallRejected("no", status=status, error_code=code))


def test_arrays_are_one_value_with_commas_and_what_is_not_set_is_left_out() -> None:
    form = {"tags": ("a", "b"), "is_supply": False, "materials": None, "quantity": 2}
    call, _ = sent(client().create_draft(form))
    assert (call.method, call.path) == ("POST", "/v3/application/shops/5001/listings")
    assert call.form == {"tags": "a,b", "is_supply": "false", "quantity": "2"}
    assert call.settles_within == timedelta(seconds=7)


def test_an_image_goes_by_its_name_with_its_rank() -> None:
    call, _ = sent(client().upload_image(5, "a/1.jpg", 2), Success({"listing_image_id": 9}))
    assert (call.form, call.files) == ({"rank": "2"}, {"image": ImageFile("a/1.jpg")})


def test_what_is_not_there_is_none_and_a_deletion_of_it_is_none_too() -> None:
    assert sent(client().listing(5), rejected(NOT_FOUND))[1] is None
    assert sent(client().inventory(5), rejected(NOT_FOUND))[1] is None
    assert sent(client().delete(5), rejected(NOT_FOUND))[1] is False
    assert sent(client().delete(5), Success(None))[1] is True


@pytest.mark.parametrize("method", ["listing", "inventory", "delete"])
def test_a_404_of_somebody_else_is_not_etsys(method: str) -> None:
    with pytest.raises(CallRejected):
        sent(getattr(client(), method)(5), rejected(None))


@pytest.mark.parametrize(
    "answer",
    [None, [], "x", {}, {"listing_id": "5", "state": "draft"}, {"listing_id": 5, "state": "odd"}],
    ids=repr,
)
def test_an_unknown_shape_fails_a_read_and_leaves_a_write_open(
    answer: dict[str, Any] | str | list[Any] | None,
) -> None:
    with pytest.raises(CallRejected, match="answered with something unknown"):
        sent(client().listing(5), Success(answer))
    with pytest.raises(OutcomeUnknown, match="POST /v3/application/shops/5001/listings"):
        sent(client().create_draft({}), Success(answer))


@pytest.mark.parametrize(
    "answer",
    [{"count": 1}, {"count": "1", "results": []}, {"count": -1, "results": []},
     {"count": 1, "results": [5]}, {"count": True, "results": []}],
    ids=repr,
)  # fmt: skip
def test_a_page_of_an_unknown_shape_is_told_with_its_beginning_and_no_secrets(
    answer: dict[str, Any],
) -> None:
    with pytest.raises(CallRejected) as caught:
        sent(client().listings("active", 0), Success(answer))
    assert "count" in str(caught.value)
    with pytest.raises(CallRejected) as caught:
        sent(client().listings("active", 0), Success({"access_token": "abc", "x": "y" * 9_000}))
    assert "abc" not in str(caught.value)
    assert len(str(caught.value)) < 800


@pytest.mark.parametrize(
    "inventory",
    [
        {"products": []},
        {"products": [{"offerings": None}]},
        {"products": [{"offerings": [{"price": 5, "quantity": 1}]}]},
        {"products": [{"offerings": [{"price": {"amount": 1, "divisor": 0}, "quantity": 1}]}]},
        {"products": [{"offerings": [{"price": {"amount": 1, "divisor": 100}}]}]},
        {"products": [{"offerings": [{"price": {"amount": 10**40, "divisor": 1}, "quantity": 1}]}]},
    ],
    ids=repr,
)
def test_an_inventory_of_an_unknown_shape_is_not_merged(
    inventory: dict[str, list[dict[str, Any]]],
) -> None:
    with pytest.raises(CallRejected):
        sent(client().inventory(5), Success(inventory))


@pytest.mark.parametrize("external_id", ["", "me", "5001/../7", "\u0665"])
def test_a_shop_that_is_no_shops_id_is_told(external_id: str) -> None:
    with pytest.raises(JobFailed, match="connect the shop again"):
        client(external_id)


@pytest.mark.parametrize(
    ("status", "body", "words", "code"),
    [
        (400, {"error": "Invalid title"}, "Invalid title", None),
        (404, {"error": "Could not find it"}, "Could not find it", NOT_FOUND),
        (
            401,
            {"error": "invalid_token", "error_description": "it ended"},
            "invalid_token: it ended",
            "invalid_token",
        ),
        (
            400,
            [
                {"path": "products[0].sku", "type": "type", "message": "must be text"},
                {"path": "", "type": "required", "message": "is required"},
            ],
            "products[0].sku: must be text; the body: is required",
            "type",
        ),
    ],
    ids=["plain", "not found", "described", "listed"],
)
def test_each_shape_of_error_is_told_in_etsys_words(
    status: int, body: dict[str, str] | list[dict[str, str]], words: str, code: str | None
) -> None:
    refusal = read_refusal(status, body)
    assert refusal is not None
    assert (refusal.words, refusal.code) == (words, code)


@pytest.mark.parametrize("body", [None, [], {}, "x", {"error": 5}, [5], [{"path": "x"}]], ids=repr)
def test_any_other_shape_says_nothing(body: dict[str, int] | list[Any] | str | None) -> None:
    assert read_refusal(404, body) is None
