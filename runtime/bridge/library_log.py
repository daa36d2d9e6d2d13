"""Takes the log lines of the Socket.IO libraries, which clients could flood."""

import sys
from typing import Any

import structlog

log = structlog.get_logger(__name__)

LONGEST_DETAIL = 200


class LibraryLog:
    """Logs each kind of trouble once, without the tracebacks that clients can cause."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def debug(self, message: str, *args: Any) -> None:
        """Drop the line of each packet before it is even formatted."""

    info = warning = debug

    def error(self, message: str, *args: Any) -> None:
        """Log a request that makes no sense to the libraries, which count repetitions."""
        log.info("senseless request", detail=(message % args if args else message)[:LONGEST_DETAIL])

    def exception(self, message: str, *_: Any) -> None:
        """Log an error that a client's packet caused, once for each kind."""
        kind, error, _traceback = sys.exc_info()
        if f"{message}: {kind}" not in self._seen:
            self._seen.add(f"{message}: {kind}")
            log.warning("senseless packet", detail=message, error=repr(error)[:LONGEST_DETAIL])


class ErrorStream:
    """Replaces standard error for the web server."""

    def write(self, text: str) -> None:
        """Log trouble with one connection."""
        log.debug("connection trouble", detail=text.strip()[:LONGEST_DETAIL])

    def flush(self) -> None:
        """Do nothing, because nothing is buffered."""
