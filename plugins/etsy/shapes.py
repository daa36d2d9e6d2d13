"""Checks the shapes of Etsy's answers, as far as the handlers rely on them. Pure.

A ``ShapeError`` says what is wrong with an answer. An answer is checked when it comes, so that no
record of a step holds one that a later step would stumble over.
"""

from decimal import Decimal
from typing import Any, TypedDict

STATES = frozenset({"active", "inactive", "sold_out", "draft", "expired"})


class ShapeError(ValueError):
    """An answer does not have the shape that Etsy's document promises."""


class CountedPage(TypedDict):
    """One page: the number of records on all pages, and the records on this one."""

    count: int
    results: list[dict[str, Any]]


def page(answer: Any) -> CountedPage:
    """Return the answer as a page, ``{count, results}``.

    Raises:
        ShapeError
    """
    count, results = _member(answer, "count"), _member(answer, "results")
    if not _is_number(count) or not isinstance(results, list):
        raise ShapeError("count must be a number and results an array")
    if not all(isinstance(one, dict) for one in results):
        raise ShapeError("results must hold objects")
    return CountedPage(count=count, results=results)


def listing(answer: Any) -> dict[str, Any]:
    """Return the answer as a listing with its id and state.

    Raises:
        ShapeError
    """
    identifier(answer, "listing_id")
    # A state that is not known cannot be taken for "not a draft any more", by which an activation
    # is recognised.
    if _member(answer, "state") not in STATES:
        raise ShapeError(f"state {answer['state']!r} is unknown")
    found: dict[str, Any] = answer
    return found


def image(answer: Any) -> dict[str, Any]:
    """Return the answer as an image with its id.

    Raises:
        ShapeError
    """
    identifier(answer, "listing_image_id")
    found: dict[str, Any] = answer
    return found


def images(answer: Any) -> list[dict[str, Any]]:
    """Return all images of a listing, each with its id.

    Raises:
        ShapeError
    """
    return [image(one) for one in page(answer)["results"]]


def inventory(answer: Any) -> dict[str, Any]:
    """Return the answer as an inventory: products, each with its offerings.

    Raises:
        ShapeError
    """
    products = _member(answer, "products")
    if not isinstance(products, list) or not products:
        raise ShapeError("products must be an array of objects")
    for product in products:
        offerings = _member(product, "offerings")
        if not isinstance(offerings, list) or not all(isinstance(one, dict) for one in offerings):
            raise ShapeError("offerings must be an array of objects")
        for offering in offerings:
            # Everything that is read here is written back by the next PUT: a price that cannot be
            # read would become 0.
            if amount(offering.get("price")) is None or not _is_number(offering.get("quantity")):
                raise ShapeError("an offering must have a price and a quantity")
    found: dict[str, Any] = answer
    return found


def identifier(answer: Any, name: str) -> int:
    """Return the id that an answer gives.

    Raises:
        ShapeError: it gives none.
    """
    value = _member(answer, name)
    if not _is_number(value):
        raise ShapeError(f"{name} must be a number")
    number: int = value
    return number


def amount(money: Any) -> str | None:
    """Return an amount of Etsy as text such as ``12.50``, or None if the value is none."""
    try:
        # Decimals, because the division of binary fractions would show another price than Etsy's.
        value = Decimal(money["amount"]) / Decimal(money["divisor"])
        return str(value.quantize(Decimal("0.01"))) if value.is_finite() else None
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None


def currency(money: Any) -> str | None:
    """Return the currency of an amount, or None if it has none."""
    code = money.get("currency_code") if isinstance(money, dict) else None
    return code if isinstance(code, str) else None


def _member(answer: Any, name: str) -> Any:
    if not isinstance(answer, dict):
        raise ShapeError("an object was expected")
    if name not in answer:
        raise ShapeError(f"{name} is missing")
    return answer[name]


def _is_number(value: Any) -> bool:
    # In Python True is an int, too.
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
