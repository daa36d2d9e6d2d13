"""Reads products from JSON lines; a wrong line does not spoil the others."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from runtime.errors import InputError, InvalidProduct
from runtime.products.product import MAX_BYTES, checked_product

LONGEST_LINE = 4 * MAX_BYTES
"""The longest line in bytes; escapes make a line longer than the product that it holds."""
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is not blank.

    Attributes:
        number: the line's number, from 1.
        product: the product, or None if the line cannot be used.
        flaw: the reason why it cannot, or None.
    """

    number: int
    product: dict[str, Any] | None = None
    flaw: str | None = None


def read_lines(file: BinaryIO, count: Callable[[int], None]) -> Iterator[Line]:
    """Yield the lines of a file; memory holds one line at most, however long they are.

    Args:
        count: is called with the number of bytes of each part that was read.
    """
    number = 0
    # An import may be larger than the memory. A line without an end is read, and thrown away, in
    # pieces, so that the next line is found.
    while chunk := file.readline(LONGEST_LINE + 1):
        number += 1
        count(len(chunk))
        if len(chunk) > LONGEST_LINE and not chunk.endswith(b"\n"):
            while chunk and not chunk.endswith(b"\n"):
                chunk = file.readline(LONGEST_LINE)
                count(len(chunk))
            yield Line(number, flaw=f"the line has more than {LONGEST_LINE:,} bytes")
            continue
        # Spreadsheets and editors of Windows put a mark before UTF-8, which is no JSON.
        if number == 1:
            chunk = chunk.removeprefix(_BOM)
        if chunk.strip():
            yield _line(number, chunk)


def _line(number: int, chunk: bytes) -> Line:
    try:
        return Line(number, checked_product(_parsed(chunk)))
    except InputError as error:
        return Line(number, flaw=str(error))


def _parsed(chunk: bytes) -> Any:
    try:
        return json.loads(chunk.decode())
    except UnicodeDecodeError as error:
        raise InvalidProduct(f"the line is not UTF-8 (byte {error.start + 1})") from None
    # It is a ValueError, too, so it has to stand before that.
    except json.JSONDecodeError as error:
        raise InvalidProduct(
            f"the line is not valid JSON: {error.msg} at column {error.colno}"
        ) from None
    except RecursionError:
        raise InvalidProduct("the line is nested too deeply") from None
    except ValueError as error:  # a number with more digits than Python reads
        raise InvalidProduct(f"the line is not valid JSON: {error}") from None
