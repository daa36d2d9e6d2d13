"""Decides which web pages may connect to the bridge."""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

log = structlog.get_logger(__name__)

ANY = "*"
# Each request can bring another origin, and the log and the memory must not grow with them.
ORIGINS_NAMED = 1_000
LONGEST_ORIGIN = 200


class AllowedOrigins:
    """Holds the configured origins, and the bridge's own.

    An origin protects sellers from foreign pages in their own browsers, which always send it. A
    client without an origin is no browser, and only its token is checked.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        self._any = ANY in origins
        self._origins = frozenset(_normal(origin) for origin in origins)
        self._named: set[str] = set()

    def permits(self, origin: str | None, environ: Mapping[str, Any]) -> bool:
        """Return whether a page of that origin may make this WSGI request."""
        if not origin or self._any:
            return True
        normal = _normal(origin)
        return normal in self._origins or normal in _own_origins(environ)

    def rejection(self, environ: Mapping[str, Any]) -> str | None:
        """Return the answer to a page that may not connect; the log names each origin once."""
        origin = environ.get("HTTP_ORIGIN")
        if self.permits(origin, environ):
            return None
        name = str(origin)[:LONGEST_ORIGIN]
        if name not in self._named and len(self._named) < ORIGINS_NAMED:
            self._named.add(name)
            log.warning(
                "page refused: its origin is not allowed; if it is yours, add it to "
                "RUNTIME_BRIDGE_ORIGINS",
                origin=name,
            )
        return (
            "this page's origin may not connect: the operator must add it to RUNTIME_BRIDGE_ORIGINS"
        )


def _normal(origin: str) -> str:
    return origin.strip().rstrip("/").lower()


def _own_origins(environ: Mapping[str, Any]) -> set[str]:
    """Return our origin as the client sees it, directly and through a proxy in front of us."""
    scheme = environ.get("wsgi.url_scheme", "http")
    host = environ.get("HTTP_HOST")
    if not host:
        return set()
    outer_scheme = _first(environ.get("HTTP_X_FORWARDED_PROTO", scheme))
    outer_host = _first(environ.get("HTTP_X_FORWARDED_HOST", host))
    return {_normal(f"{scheme}://{host}"), _normal(f"{outer_scheme}://{outer_host}")}


def _first(header: str) -> str:
    return header.split(",", 1)[0].strip()
