"""Decides by origin and size which HTTP requests the bridge accepts."""

import urllib.parse
from collections.abc import Mapping
from typing import Any

from runtime.bridge.allowed_origins import AllowedOrigins

EIO_SID = "runtime.eio_sid"
"""The key under which a WSGI environment names the Engine.IO session of its request."""

STRANGER_BYTES = 16_384
"""The largest packet of somebody who has not shown a token."""

Rejection = tuple[str, str]
"""The status line and the text of the answer."""


class Admission:
    """Decides before the body of a request is read, so that a stranger costs no memory."""

    def __init__(self, origins: AllowedOrigins, max_bytes: int) -> None:
        self._origins = origins
        self._max_bytes = max_bytes

    def rejection(self, environ: Mapping[str, Any], *, is_stranger: bool) -> Rejection | None:
        """Return the status line and the text that reject a WSGI request, or None to let it in.

        Args:
            is_stranger: whether the request is not part of a seller's session.
        """
        reason = self._origins.rejection(environ)
        if reason is not None:
            return "403 Forbidden", reason
        size = int(environ.get("CONTENT_LENGTH") or 0)
        if is_stranger and size > STRANGER_BYTES:
            return "413 Payload Too Large", (
                f"before its token is accepted, a client may send {STRANGER_BYTES} bytes at most"
            )
        if size > self._max_bytes:
            return "413 Payload Too Large", (
                f"a packet may have {self._max_bytes} bytes at most (RUNTIME_BRIDGE_MAX_BYTES)"
            )
        return None


def session_of(environ: Mapping[str, Any]) -> str | None:
    """Return the Engine.IO session that a WSGI request opened or speaks of."""
    if EIO_SID in environ:
        return str(environ[EIO_SID])
    query = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""))
    return query["sid"][0] if "sid" in query else None
