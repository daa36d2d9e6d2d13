"""A browser's texts never bring its token back."""

import base64
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from runtime.bridge.browser_response import read_response
from runtime.bridge.seller_tokens import issue_token, verify_token

TOKEN = issue_token(7, "s" * 32, "HS256", timedelta(hours=1))
SPELLED = [
    TOKEN,
    quote(TOKEN.replace(".", "%2E")),
    base64.b64encode(f"token {TOKEN}".encode()).decode(),
    TOKEN.encode().hex(),
    "".join(f"\\u{ord(one):04x}" for one in TOKEN),
]


@pytest.mark.parametrize("spelled", SPELLED)
@pytest.mark.parametrize("field", ["error", "error_code"])
def test_an_error_of_a_browser_does_not_tell_its_token(spelled: str, field: str) -> None:
    data = {"request_id": "r", "success": False, field: f"sent {spelled} in vain"}
    response = read_response(data, TOKEN)
    told = response.error if field == "error" else response.error_code
    assert told == "sent [redacted] in vain" or spelled[20:-4] not in str(told)
    assert "[redacted]" in str(told)


def test_the_identity_keeps_the_token_and_shows_it_to_nobody() -> None:
    identity = verify_token({"token": TOKEN}, "s" * 32, "HS256", datetime.now(UTC))
    assert identity.token == TOKEN
    assert TOKEN not in repr(identity)
