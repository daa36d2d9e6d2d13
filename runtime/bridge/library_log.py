"""Takes the log lines of the Socket.IO libraries, which clients could flood."""

import sys
from typing import Any

import structlog

from runtime.process.repeated_lines import RepeatedLines

log = structlog.get_logger(__name__)

LONGEST_DETAIL = 200


class LibraryLog:
    """Sums up each kind of trouble, without the tracebacks that clients can cause."""

    def __init__(self, repeated: RepeatedLines) -> None:
        self._repeated = repeated

    def debug(self, message: str, *args: Any) -> None:
        """Drop the line of each packet before it is even formatted."""

    info = warning = debug

    def error(self, message: str, *args: Any) -> None:
        """Log a request that makes no sense to the libraries."""
        detail = (message % args if args else message)[:LONGEST_DETAIL]
        self._repeated.say(log.info, "senseless request", None, detail=detail)

    def exception(self, message: str, *_: Any) -> None:
        """Log an error that a client's packet caused, by its kind."""
        kind, error, _traceback = sys.exc_info()
        detail = repr(error)[:LONGEST_DETAIL]
        about = message[:LONGEST_DETAIL], kind
        self._repeated.say(log.warning, "senseless packet", about, detail=about[0], error=detail)


class ErrorStream:
    """Replaces standard error for the web server."""

    def write(self, text: str) -> None:
        """Log trouble with one connection."""
        log.debug("connection trouble", detail=text.strip()[:LONGEST_DETAIL])

    def flush(self) -> None:
        """Do nothing, because nothing is buffered."""
