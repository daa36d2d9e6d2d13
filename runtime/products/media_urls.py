"""Signs and checks URLs of images, by which anyone may fetch them until the URLs expire. Pure.

``<base>/media/<path>?expires=<seconds since 1970>&signature=<hex>``
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qs, quote

PREFIX = "/media/"
_PURPOSE = b"marketplace-runtime: URLs of media"
# With one digit more a number may lie beyond the last year that a datetime can hold.
_NUMBER = re.compile(r"[0-9]{1,11}", re.ASCII)


def media_key(token_secret: str) -> bytes:
    """Return the key that signs URLs; it does not reveal the secret from which it is derived."""
    # A key of its own: a signature of a URL can then never serve as one of a token.
    return hmac.digest(token_secret.encode(), _PURPOSE, "sha256")


def signed_url(base: str, path: str, key: bytes, expires_at: datetime) -> str:
    """Return the URL of a path below the media directory."""
    expires = int(expires_at.timestamp())
    return f"{base}{PREFIX}{quote(path)}?expires={expires}&signature={_sign(path, expires, key)}"


def rejection(path: str, query: str, key: bytes, now: datetime) -> str | None:
    """Return why a request may not have the path, or None if it may.

    Args:
        query: the query of the URL, not decoded.
    """
    given = _single_values(query)
    expires, signature = given.get("expires", ""), given.get("signature", "")
    if not _NUMBER.fullmatch(expires) or not signature.isascii():
        return "the URL is not signed"
    # The signature comes before the expiry, so that a forged URL learns nothing of the clock.
    if not hmac.compare_digest(signature, _sign(path, int(expires), key)):
        return "the signature of the URL is wrong"
    if datetime.fromtimestamp(int(expires), UTC) <= now:
        return "the URL has expired"
    return None


def _single_values(query: str) -> Mapping[str, str]:
    try:
        # The server is open to everybody, so a query of thousands of fields is not taken apart.
        return {name: values[0] for name, values in parse_qs(query, max_num_fields=10).items()}
    except ValueError:
        return {}


def _sign(path: str, expires: int, key: bytes) -> str:
    # The expiry stands in front, so that no path can be read as a part of another expiry.
    signed = f"{expires}\n{path}".encode("utf-8", "surrogateescape")
    return hmac.new(key, signed, hashlib.sha256).hexdigest()
