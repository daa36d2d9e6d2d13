"""Reading products from JSON lines."""

import io
import json

from runtime.products.json_lines import LONGEST_LINE, Line, read_lines

LINE = json.dumps({"sku": "A", "title": "Jeans", "price": 12.5}).encode()


def read(content: bytes) -> list[Line]:
    sizes: list[int] = []
    lines = list(read_lines(io.BytesIO(content), sizes.append))
    assert sum(sizes) == len(content)
    return lines


def good(content: bytes) -> list[int]:
    return [line.number for line in read(content) if line.product is not None]


def test_blank_lines_and_the_marks_of_other_systems_do_no_harm() -> None:
    assert good(b"\xef\xbb\xbf" + LINE + b"\r\n\r\n \t\n" + LINE) == [1, 4]
    assert read(b"") == []
    assert read(b"\xef\xbb\xbf") == []


def test_a_line_that_cannot_be_used_is_named_and_the_rest_is_read() -> None:
    flaws = {
        b"{": "not valid JSON",
        b"\xff": "not UTF-8",
        b"[1]": "must be a JSON object",
        b'{"sku": "A"}': "title is missing; price is missing",
        b"[" * 100_000: "nested too deeply",
        b'{"price": ' + b"9" * 5_000 + b"}": "not valid JSON",
    }
    lines = read(LINE + b"\n" + b"\n".join(flaws) + b"\n" + LINE)
    assert [line.number for line in lines] == list(range(1, len(flaws) + 3))
    for line, flaw in zip(lines[1:-1], flaws.values(), strict=True):
        assert flaw in (line.flaw or "")
    assert lines[0].flaw is None
    assert lines[-1].flaw is None


def test_of_a_huge_line_no_more_is_held_than_a_line_may_have() -> None:
    class Measured(io.BytesIO):
        largest = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            line = super().readline(size)
            self.largest = max(self.largest, len(line))
            return line

    file = Measured(b"x" * (3 * LONGEST_LINE) + b"\n" + LINE)
    huge, last = read_lines(file, lambda size: None)
    assert "the line has more than" in (huge.flaw or "")
    assert (huge.number, last.number, last.flaw) == (1, 2, None)
    assert file.largest <= LONGEST_LINE + 1
