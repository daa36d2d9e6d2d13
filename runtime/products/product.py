"""Defines a product: one model for rows, for imports, and for products in jobs. Pure.

Handlers and browsers get a product as JSON::

    {sku, title, description, price: "12.50", currency, quantity, brand, condition, category,
     size, color, images: ["https://…", "photos/1.jpg"], attributes: {}}

A price is text in it, so that no binary fraction changes the price on its way.
"""

import re
import reprlib
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import PurePosixPath
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
)

from runtime.errors import InvalidJson, InvalidProduct
from runtime.values.json_values import checked_json

LONGEST_NAME = 255
LONGEST_TITLE = 500
LONGEST_DESCRIPTION = 50_000
LONGEST_IMAGE = 2_048
MOST_IMAGES = 50
MOST_PIECES = 1_000_000
MAX_BYTES = 256_000
"""The size of the largest product, in bytes of JSON."""
MAX_PRICE = Decimal("9999999999.99")

_CENT = Decimal("0.01")
# Decimal reads far more than people mean by a price: "1e9", "NaN", "1_000", and digits of other
# scripts.
_NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_SHOWN_FLAWS = 20
_UNKNOWN = "extra_forbidden"
_SUBJECT = re.compile(r"^(Value error, |Input |String |List |Dictionary )")
_REASONS = {
    "missing": "is missing",
    "string_too_short": "must not be empty",
    "string_type": "must be text",
    "string_unicode": "holds half a character, which cannot be stored",
}


def checked_product(value: object, name: str = "the product") -> dict[str, Any]:
    """Return the product in JSON, with every field.

    Args:
        value: an object with at least sku, title and price; a field that is null counts as missing.

    Raises:
        InvalidProduct: fields cannot be used; the message names all of them.
    """
    if not isinstance(value, dict):
        raise InvalidProduct(f"{name} must be a JSON object, not {reprlib.repr(value)}")
    given = {key: part for key, part in value.items() if part is not None}
    try:
        product = _Product.model_validate(given).model_dump()
    except ValidationError as error:
        raise InvalidProduct(f"{name} cannot be used: {_flaws(error)}") from None
    try:
        checked: dict[str, Any] = checked_json(product, name, max_bytes=MAX_BYTES)
    except InvalidJson as error:
        raise InvalidProduct(str(error)) from None
    return checked


def checked_image_path(path: str) -> str:
    """Check a path below the media directory.

    Raises:
        ValueError: it is another kind of path.
    """
    parts = path.split("/")
    # Such a path would lead out of the directory, or mean a drive or a folder on Windows.
    if any(part in {"", ".", ".."} for part in parts) or "\\" in path or ":" in parts[0]:
        raise ValueError(
            "must be an https URL, or a path below the media directory such as photos/1.jpg, "
            f"not {reprlib.repr(path)}"
        )
    return str(PurePosixPath(path))


def is_image_url(image: str) -> bool:
    """Return whether an image of a product is a URL, and no path below the media directory."""
    # Only https: the image is fetched by a marketplace or by a page that was loaded over https.
    return image.startswith("https://")


def _words(value: object) -> object:
    """Turn numbers into text, because sizes, ids of categories and SKUs may be numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else value


def _storable(value: Any) -> Any:
    try:
        return checked_json(value, "it", max_bytes=MAX_BYTES)
    except InvalidJson as error:
        raise ValueError(f"cannot be stored: {error}") from None


def _price(value: object) -> Decimal:
    # In Python True is a number, too; a price of 1.00 would be made of it.
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError(f"must be a number, not {reprlib.repr(value)}")
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        raise ValueError(f'must be a number such as "12.50", not {reprlib.repr(value)}')
    try:
        # The text of a float is what was written in the JSON: Decimal(12.1) itself would be
        # 12.0999999999999996447.
        price = Decimal(value.strip() if isinstance(value, str) else str(value))
    except (InvalidOperation, ValueError):  # the latter of a number with too many digits
        raise ValueError("must be a number") from None
    if not price.is_finite() or not 0 < price <= MAX_PRICE:
        raise ValueError(f"must be more than 0, and {MAX_PRICE} at most")
    # A third decimal is refused instead of being rounded: nobody would know at which price the
    # thing is sold.
    if price != (cents := price.quantize(_CENT)):
        raise ValueError("must have two decimals at most")
    return cents


def _currency(value: str) -> str:
    if not _CURRENCY.fullmatch(value):
        raise ValueError(f"must be three letters such as EUR, not {reprlib.repr(value)}")
    return value.upper()


def _pieces(value: object) -> object:
    # pydantic would take true for 1.
    if isinstance(value, bool):
        raise ValueError("must be a whole number")
    return value


def _image(value: str) -> str:
    # "http:" without slashes is a mistake in a URL and no path.
    if "://" not in value and not value.lower().startswith(("http:", "https:", "data:")):
        return checked_image_path(value)
    try:
        parts = urlsplit(value)
        usable = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    # A user in a URL is a password that would be shown to the marketplace and in messages.
    if not usable or "@" in parts.netloc or not value.startswith("https://"):
        raise ValueError(f"must be an https URL without a user, not {reprlib.repr(value)}")
    if not value.isprintable() or " " in value:
        raise ValueError(f"must not hold blanks or control characters: {reprlib.repr(value)}")
    return value


_Storable = AfterValidator(_storable)
_Name = Annotated[
    str, Field(min_length=1, max_length=LONGEST_NAME), BeforeValidator(_words), _Storable
]
_Detail = Annotated[str, Field(max_length=LONGEST_NAME), BeforeValidator(_words), _Storable]
_Image = Annotated[
    str, Field(min_length=1, max_length=LONGEST_IMAGE), _Storable, AfterValidator(_image)
]


class _Product(BaseModel):
    # An unknown field is more likely a wrong name (such as "qty") than something to ignore;
    # ignored, it would leave the default.
    model_config = ConfigDict(extra="forbid", frozen=True)

    sku: _Name
    title: Annotated[
        str, Field(min_length=1, max_length=LONGEST_TITLE), BeforeValidator(_words), _Storable
    ]
    description: Annotated[str, Field(max_length=LONGEST_DESCRIPTION), _Storable] = ""
    price: Annotated[Decimal, BeforeValidator(_price), PlainSerializer(str)]
    currency: Annotated[str, AfterValidator(_currency)] | None = None
    quantity: Annotated[int, Field(ge=0, le=MOST_PIECES), BeforeValidator(_pieces)] = 1
    brand: _Detail | None = None
    condition: _Detail | None = None
    category: _Detail | None = None
    size: _Detail | None = None
    color: _Detail | None = None
    images: Annotated[list[_Image], Field(max_length=MOST_IMAGES)] = []
    attributes: Annotated[dict[str, Any], _Storable] = {}


FIELDS: Sequence[str] = tuple(_Product.model_fields)


def _flaws(error: ValidationError) -> str:
    # The texts of pydantic are for programmers; messages about products are for sellers.
    flaws = error.errors(include_url=False, include_context=False)
    told = [_flaw(one["type"], one["loc"], one["msg"]) for one in flaws[:_SHOWN_FLAWS]]
    if any(one["type"] == _UNKNOWN for one in flaws):
        told.append(f"known are {', '.join(FIELDS)}; put anything else into attributes")
    if len(flaws) > _SHOWN_FLAWS:
        told.append(f"and {len(flaws) - _SHOWN_FLAWS} more")
    return "; ".join(told)


def _flaw(kind: str, location: Sequence[int | str], message: str) -> str:
    where = ".".join(str(part) for part in location)
    if kind == _UNKNOWN:
        return f"{reprlib.repr(where)} is no field of a product"
    return f"{where} {_REASONS.get(kind) or _SUBJECT.sub('', message)}"
