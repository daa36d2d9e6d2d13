"""Takes the secrets that were sent out of what comes back, in whatever spelling it repeats them."""

import base64
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any

from runtime.values.redaction import REDACTED, is_secret_name

SHORTEST = 6
"""The least number of bytes of a secret; a shorter text would be found in innocent words."""
BEGINNING = 24
"""The least number of bytes by which the beginning of a longer secret is recognised, so that one
that was cut off is taken out, too; it also has to be half of the secret, because tokens of one kind
often begin alike."""
LAYERS = 4
"""How many spellings may lie in each other, such as a form in JSON in JSON."""

_NAMED = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'"}
# Each alternative begins with a fixed mark and has a bounded length, or consumes what it reads, so
# that a stranger's text costs no more than its length.
_SPELLED = re.compile(
    rb"%(?P<percent>[0-9A-Fa-f]{2})"
    rb"|(?:\\u|%u)(?P<unicode>[0-9A-Fa-f]{4})"
    rb"|\\x(?P<hex>[0-9A-Fa-f]{2})"
    rb"|\\(?P<plain>[\"'/\\])"
    rb"|\\(?:r\\)?n"
    rb"|[\r\n]++[ \t]*+"
    rb"|&\#(?P<decimal>[0-9]{1,7});"
    rb"|&\#[xX](?P<entity>[0-9A-Fa-f]{1,6});"
    rb"|&(?P<named>amp|lt|gt|quot|apos);"
)

Span = tuple[int, int]


class SentSecrets:
    """The exact secrets that left with one request.

    Args:
        values: the secrets; None and the empty text stand for one that is not set.
    """

    def __init__(self, values: Iterable[str | None]) -> None:
        found: set[bytes] = set()
        for value in values:
            if value:
                found |= _encodings(value.encode(errors="surrogatepass"))
        # The longest comes first, so that the order of a set decides nothing.
        self._needles = sorted(
            (needle for needle in found if len(needle) >= SHORTEST),
            key=lambda needle: (-len(needle), needle),
        )

    def taken_out_of_bytes(self, body: bytes) -> bytes:
        """Return a body without the secrets; JSON stays JSON, and becomes UTF-8 if it held one.

        The cost is linear in the length of the body.
        """
        # A reader of JSON accepts these encodings, in which no secret would be found.
        encoding = json.detect_encoding(body)
        if not encoding.startswith(("utf-16", "utf-32")):
            return self._clean(body)
        read = body.decode(encoding, errors="replace").encode()
        clean = self._clean(read)
        return body if clean == read else clean

    def taken_out_of(self, text: str) -> str:
        """Return a text without the secrets."""
        raw = text.encode(errors="surrogatepass")
        clean = self._clean(raw)
        return text if clean == raw else clean.decode(errors="replace")

    def _clean(self, body: bytes) -> bytes:
        pieces: list[bytes] = []
        done = 0
        for start, end in _merged(self._spans(body, LAYERS)):
            pieces += (body[done:start], REDACTED.encode())
            done = end
        return b"".join((*pieces, body[done:])) if pieces else body

    def _spans(self, text: bytes, layers: int) -> list[Span]:
        found = [span for needle in self._needles for span in _occurrences(needle, text)]
        if layers == 0 or (read := _SPELLED.sub(_meaning, text)) == text:
            return found
        inner = self._spans(read, layers - 1)
        return found + _in_spelled(inner, text) if inner else found


def secrets_among(*named: Mapping[str, Any] | None) -> list[str]:
    """Return the values whose names tell that they are secret, such as those of headers.

    The scheme of an ``Authorization`` is left out, and the parts of a key and its secret that are
    joined by a colon are returned as well.
    """
    found: list[str] = []
    for fields in named:
        for name, value in (fields or {}).items():
            if not is_secret_name(name) or value is None:
                continue
            text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
            scheme, _, rest = text.strip().partition(" ")
            secret = rest.strip() if rest and name.lower() == "authorization" else text
            joined = _decoded(secret) if scheme.lower() == "basic" else secret
            # An answer may repeat one part alone.
            found += [secret, joined, *joined.split(":", 1)]
    return found


def _decoded(basic: str) -> str:
    try:
        return base64.b64decode(basic).decode(errors="replace")
    except ValueError:
        return ""


def _encodings(secret: bytes) -> set[bytes]:
    """Return the secret as it is, in hexadecimal digits, and in base64 at each offset."""
    digits = secret.hex().encode()
    encoded = {secret, secret.replace(b"+", b" "), secret.replace(b" ", b"+")}
    if len(secret) < SHORTEST:
        return encoded
    encoded |= {digits, digits.upper()}
    for offset in range(3):
        # The first and the last characters also hold bits of the neighbours, which nobody knows.
        padded = base64.b64encode(b"\0" * offset + secret)
        last = (offset + len(secret)) * 8 // 6
        core = padded[-(-offset * 8 // 6) : last]
        encoded |= {core, core.translate(bytes.maketrans(b"+/", b"-_"))}
    return encoded


def _occurrences(needle: bytes, text: bytes) -> list[Span]:
    found: list[Span] = []
    anchor = needle[: max(BEGINNING, len(needle) // 2)]
    start = text.find(anchor)
    while start >= 0:
        end = start + _common_length(needle, text[start : start + len(needle)])
        found.append((start, end))
        start = text.find(anchor, end)
    return found


def _common_length(needle: bytes, piece: bytes) -> int:
    if needle == piece:
        return len(needle)
    differ = (
        at for at, (one, other) in enumerate(zip(needle, piece, strict=False)) if one != other
    )
    return next(differ, len(piece))


def _meaning(spelled: re.Match[bytes]) -> bytes:
    kind = spelled.lastgroup
    if kind is None:  # a line break, at which a long text was folded
        return b""
    content = spelled[kind]
    if kind == "plain":
        return content
    if kind == "named":
        return _NAMED[content]
    number = int(content, 10 if kind == "decimal" else 16)
    if kind == "percent":
        return bytes([number])
    return chr(number).encode(errors="surrogatepass") if number <= 0x10FFFF else spelled[0]


def _in_spelled(spans: Iterable[Span], text: bytes) -> list[Span]:
    """Return the places in a spelled text of the places in its meaning."""
    # For each spelled character: its begin and end in the meaning, and in the text.
    begins, ends, places = [0], [0], [(0, 0)]
    for spelled in _SPELLED.finditer(text):
        begin = ends[-1] + spelled.start() - places[-1][1]
        begins.append(begin)
        ends.append(begin + len(_meaning(spelled)))
        places.append(spelled.span())

    def place(at: int) -> Span:
        last = bisect_right(begins, at) - 1
        if at < ends[last]:
            return places[last]
        start = places[last][1] + at - ends[last]
        return start, start + 1

    return [(place(start)[0], place(end - 1)[1]) for start, end in spans]


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
