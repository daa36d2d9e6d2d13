"""The secrets that were sent never come back, in whatever spelling."""

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest

from runtime.values import sent_secrets
from runtime.values.redaction import REDACTED
from runtime.values.sent_secrets import SentSecrets, secrets_among

SECRET = 'v^1.1#i+1/p="3"&t=Ul4xMF8 5OkQ1Rjk2RTI\\yOEYz~é'
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON with escaped slashes": lambda text: json.dumps(text).replace("/", "\\/"),
    "JSON in UTF-16 escapes": lambda text: "".join(f"\\u{ord(one):04X}" for one in text),
    "JSON in JSON in JSON": lambda text: json.dumps(json.dumps(json.dumps(text))),
    "percent": quote,
    "percent, every byte": lambda text: "".join(f"%{one:02x}" for one in text.encode()),
    "percent twice": lambda text: quote(quote(text)),
    "form": quote_plus,
    "form in JSON": lambda text: json.dumps(urlencode({"t": text})),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 in a form": lambda text: quote_plus(base64.b64encode(text.encode())),
    "base64 behind one byte": lambda text: base64.b64encode(b"a" + text.encode()).decode(),
    "base64 behind two bytes": lambda text: base64.b64encode(b"ab" + text.encode()).decode(),
    "base64 in lines": lambda text: base64.encodebytes(text.encode() * 2).decode(),
    "base64 in lines in JSON": lambda text: json.dumps(base64.encodebytes(text.encode()).decode()),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal capitals": lambda text: text.encode().hex().upper(),
    "HTML": html.escape,
    "HTML by numbers": lambda text: "".join(f"&#{ord(one)};" for one in text),
    "HTML by hexadecimal numbers": lambda text: "".join(f"&#x{ord(one):X};" for one in text),
    "a repr": repr,
    "folded": lambda text: text[:20] + "\r\n  " + text[20:],
    "cut off": lambda text: text[:30],
}


def read(text: str) -> str:
    """Undo spellings as a reader would, and return the letters alone."""
    return "".join(one for one in text if one.isalnum())


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_is_taken_out_in_every_spelling(spelling: str) -> None:
    spelled = SPELLINGS[spelling](SECRET).strip('"')
    clean = SentSecrets([SECRET]).taken_out_of(f'before {spelled} "after"')
    assert REDACTED in clean
    # The characters of base64 at the edges of a secret also hold bits of its neighbours.
    assert len(read(clean.replace(REDACTED, ""))) <= len("before after") + 4, clean
    assert clean.startswith("before ")
    assert clean.endswith('"after"')


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("in_ascii", [True, False])
def test_an_answer_stays_json_without_the_secrets(encoding: str, in_ascii: bool) -> None:
    value = {"title": "Größe\n«M» 🙂 \\u0041", "echo": {SECRET: [f"Bearer {SECRET}!", 7]}}
    body = json.dumps(value, ensure_ascii=in_ascii).encode(encoding)
    clean = json.loads(SentSecrets([SECRET]).taken_out_of_bytes(body))
    assert clean == {"title": value["title"], "echo": {REDACTED: [f"Bearer {REDACTED}!", 7]}}


def test_what_holds_no_secret_stays_as_it_is() -> None:
    text = 'a%41 \\u0041 &amp; \ud800 \0 "\n" + /'
    assert SentSecrets([SECRET]).taken_out_of(text) == text
    assert SentSecrets([]).taken_out_of_bytes(b"x\0\xff%41") == b"x\0\xff%41"
    assert SentSecrets([None, "", "short"]).taken_out_of("a short word") == "a short word"


def test_a_beginning_that_many_tokens_share_stays() -> None:
    token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + "x1" * 60
    other = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + "y2" * 60
    assert SentSecrets([token]).taken_out_of(other) == other


def test_a_number_that_is_no_character_stays() -> None:
    text = "&#9999999; &#xFFFFFF;"
    assert SentSecrets([SECRET]).taken_out_of(text) == text


def test_the_secrets_of_a_request_are_told_by_their_names() -> None:
    basic = base64.b64encode(b"application:its-secret").decode()
    assert set(
        secrets_among(
            {"Authorization": f"Basic {basic}", "Accept": "text/html", "X-Api-Key": b"key:shared"},
            None,
            {"access_token": "abc", "cookie": None, "title": "a coat"},
        )
    ) >= {basic, "its-secret", "key", "shared", "key:shared", "abc"}
    assert secrets_among({"Authorization": "Bearer a b"})[0] == "a b"
    assert secrets_among({"Authorization": "Basic abcde"})[0] == "abcde"
    assert secrets_among({"Authorization": "token-alone"})[0] == "token-alone"


@pytest.mark.parametrize("piece", [SECRET[:30], "%25", "\\", "\\u00", "&#0", "\r\n ", "&amp;"])
def test_the_work_grows_no_faster_than_the_text(
    piece: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[int] = []
    plain = sent_secrets._occurrences

    def counted(needle: bytes, text: bytes) -> list[tuple[int, int]]:
        looked_at.append(len(text))
        return plain(needle, text)

    monkeypatch.setattr(sent_secrets, "_occurrences", counted)
    text = piece * 20_000
    SentSecrets([SECRET]).taken_out_of(text)
    # Each encoding is looked for once in the text, and once in each layer of its meaning.
    assert sum(looked_at) <= len(text.encode()) * 12 * (sent_secrets.LAYERS + 1)
