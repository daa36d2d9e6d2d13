"""Reads the answer of a browser, which is not trusted. Pure."""

import json
from dataclasses import dataclass
from typing import Any

from runtime.errors import BrowserNotReady, CallFailed, CallRejected, InvalidJson, OutcomeUnknown
from runtime.runs.calls import Failure, Outcome, Success
from runtime.values.json_values import checked_json, without_unstorable_text
from runtime.values.redaction import redacted
from runtime.values.sent_secrets import SentSecrets

LONGEST_REQUEST_ID = 200
LONGEST_ERROR = 2_000
LONGEST_CODE = 100
LONGEST_LOOKED_AT = 20_000
LARGEST_DATA = 50_000_000
OUTCOME_UNKNOWN = "outcome_unknown"
NOT_BEGUN = frozenset({"plugin_missing", "memory_failed", "too_late"})
"""Codes of the page itself; it sends them before it asks the browser plugin, so that no write
has begun."""


class MalformedResponse(ValueError):
    """The response cannot be read, or names no request."""

    def __init__(self, reason: str, request_id: str | None = None) -> None:
        super().__init__(reason)
        self.request_id = request_id


@dataclass(frozen=True, slots=True)
class BrowserResponse:
    """A ``plugin_response`` whose form is right."""

    request_id: str
    success: bool
    data: Any
    error: str
    error_code: str | None
    status: int | None

    def outcome(self, writes: bool) -> Outcome:
        """Return the meaning of the response for the call that waits for it."""
        if not self.success:
            kind = self._kind_of_failure(writes)
            return Failure(
                kind(self.error, status=self.status, error_code=self.error_code, writes=writes)
            )
        try:
            repaired = without_unstorable_text(self.data)
            data = checked_json(repaired, "the browser's answer", max_bytes=LARGEST_DATA)
        except RecursionError:
            return Failure(
                OutcomeUnknown("the browser's answer is nested too deeply", writes=writes)
            )
        except InvalidJson as error:
            return Failure(
                OutcomeUnknown(str(error), error_code="unreadable_answer", writes=writes)
            )
        return Success(data)

    def _kind_of_failure(self, writes: bool) -> type[CallFailed]:
        """Say whether the write may have been done: a marketplace may fail after it has done it."""
        failed = self.status is not None and self.status >= 500
        # A text alone ("Failed to fetch") may mean that the connection broke after the write.
        says_nothing = self.status is None and self.error_code is None
        if self.error_code == OUTCOME_UNKNOWN or (writes and (failed or says_nothing)):
            return OutcomeUnknown
        return BrowserNotReady if self.error_code in NOT_BEGUN else CallRejected


def read_response(data: Any, token: str = "") -> BrowserResponse:
    """Read the payload of a ``plugin_response``.

    Args:
        token: the token of the browser, which does not come back in its error.

    Raises:
        MalformedResponse: the payload is no object, has no usable ``request_id``, or its
            ``success`` is no boolean.
    """
    if not isinstance(data, dict):
        raise MalformedResponse("the response is not an object")
    request_id = data.get("request_id")
    if not isinstance(request_id, str) or not 0 < len(request_id) <= LONGEST_REQUEST_ID:
        raise MalformedResponse("the response has no request_id")
    success = data.get("success")
    if not isinstance(success, bool):
        raise MalformedResponse("success is neither true nor false", request_id)
    sent = SentSecrets([token])
    return BrowserResponse(
        request_id=request_id,
        success=success,
        data=data.get("data"),
        error=_error(data.get("error"), sent),
        # A page may hand on the browser plugin's answer as it is, and there the field has this
        # name.
        error_code=_code(data.get("error_code", data.get("errorCode")), sent),
        status=_status(data.get("status")),
    )


def _error(value: Any, sent: SentSecrets) -> str:
    if value is None or value == "":
        return "the browser plugin gave no reason"
    return _text(value if isinstance(value, str) else _as_json(value), LONGEST_ERROR, sent)


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return "the browser plugin gave a reason that is not text"


def _code(value: Any, sent: SentSecrets) -> str | None:
    return _text(value, LONGEST_CODE, sent) if isinstance(value, str) and value else None


def _status(value: Any) -> int | None:
    """Read an HTTP status, and nothing else."""
    # True is an int below 100, so it is no status either.
    if isinstance(value, int) and 100 <= value <= 599:
        return value
    return None


def _text(value: str, limit: int, sent: SentSecrets) -> str:
    """Shorten a text without secrets, and replace what no database stores: NUL and surrogates."""
    # The text is cut a first time, because it may have megabytes, and a second time behind the
    # secrets, because half of one is not recognised.
    clean = str(redacted(sent.taken_out_of(value[:LONGEST_LOOKED_AT])))
    return clean[:limit].replace("\0", "\\0").encode(errors="replace").decode()
