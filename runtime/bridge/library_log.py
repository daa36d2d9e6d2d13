"""Where the Socket.IO libraries write what they would print."""

import sys
from typing import Any

import structlog

log = structlog.get_logger(__name__)

LONGEST_DETAIL = 200


class LibraryLog:
    """A logger: each kind of trouble once, without the tracebacks that clients can cause."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def debug(self, message: str, *args: Any) -> None:
        """Drop the line of each packet before it is even formatted."""

    info = warning = debug

    def error(self, message: str, *args: Any) -> None:
        """Requests that make no sense to the libraries, which count their repetitions."""
        log.info("senseless request", detail=(message % args if args else message)[:LONGEST_DETAIL])

    def exception(self, message: str, *_: Any) -> None:
        """Something raised while a client's packet was handled."""
        kind, error, _traceback = sys.exc_info()
        if f"{message}: {kind}" not in self._seen:
            self._seen.add(f"{message}: {kind}")
            log.warning("senseless packet", detail=message, error=repr(error)[:LONGEST_DETAIL])


class ErrorStream:
    """A standard error for web servers."""

    def write(self, text: str) -> None:
        """Trouble with one connection."""
        log.debug("connection trouble", detail=text.strip()[:LONGEST_DETAIL])

    def flush(self) -> None:
        """Do nothing, because nothing is buffered."""
