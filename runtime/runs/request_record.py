"""Makes the record of a request for the step journal, by which a person recognises the request."""

from typing import Any

from runtime.errors import InvalidJson
from runtime.runs.calls import HttpCall, ImageFile, WebSocketCall
from runtime.values.json_values import checked_json
from runtime.values.redaction import redacted

# The record is for a person who looks; a request of megabytes would fill the journal.
MAX_REQUEST_BYTES = 20_000
LONGEST_NAME = 200


def request_record(call: WebSocketCall | HttpCall) -> dict[str, Any]:
    """Return the request as JSON without secrets; if it is too large, only its name is kept."""
    if isinstance(call, WebSocketCall):
        name: dict[str, Any] = {"action": call.action}
        details: dict[str, Any] = {"payload": call.payload}
    else:
        name = {"method": call.method, "path": call.path}
        details = {"params": call.params, "json": call.json, "form": call.form}
        details["files"] = _images(call) or None
    given = {key: value for key, value in details.items() if value is not None}
    try:
        # One by one, because a value that is nested too deeply becomes a text as a whole.
        clean = {key: redacted(value, key) for key, value in (name | given).items()}
        kept: dict[str, Any] = checked_json(clean, "the request", max_bytes=MAX_REQUEST_BYTES)
    except InvalidJson as error:
        return {key: _shortened(value) for key, value in name.items()} | {"left_out": str(error)}
    return kept


def _images(call: HttpCall) -> dict[str, str]:
    files = (call.files or {}).items()
    # Only the names of images are kept, never their bytes.
    return {name: file.image for name, file in files if isinstance(file, ImageFile)}


def _shortened(value: Any) -> str:
    """Return the text without secrets, as PostgreSQL takes it."""
    text = str(redacted(str(value)))[:LONGEST_NAME].replace("\0", "\\0")
    return text.encode(errors="replace").decode()
