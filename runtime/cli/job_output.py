"""Prints jobs for a person or a program."""

import json
from collections.abc import Sequence
from typing import Any

from runtime.cli.moments import local_time
from runtime.cli.output import print_fields, print_json, print_table
from runtime.runs.journal import StepStatus

_NOTE_LENGTH = 80
_OPEN = {StepStatus.STARTED, StepStatus.UNKNOWN}
_TIMES = ("run_at", "created_at", "started_at", "completed_at", "expires_at")


def print_job(view: dict[str, Any], as_json: bool) -> None:
    """Print one job."""
    if as_json:
        print_json(view)
        return
    steps = view.get("steps", [])
    # A person reads what there is; a program gets every key, with null.
    shown = {name: value for name, value in view.items() if value is not None and name != "steps"}
    shown.update({name: local_time(view[name]) for name in _TIMES if view[name] is not None})
    print_fields((name.replace("_", " "), _text(value)) for name, value in shown.items())
    if steps:
        print_table(
            ("step", "type", "status", "ended", "error"),
            [
                (
                    step["name"],
                    step["type"],
                    step["status"],
                    local_time(step["completed_at"]) if step["completed_at"] else None,
                    step["error"],
                )
                for step in steps
            ],
        )
    # What a person needs to answer for a write whose outcome is not known.
    if asked := [step for step in steps if step["status"] in _OPEN and step["sent_at"]]:
        print_table(
            ("open step", "request", "sent", "a no is safe from"),
            [
                (
                    step["name"],
                    None if step["request"] is None else _text(step["request"]),
                    local_time(step["sent_at"]),
                    local_time(step["settles_at"]) if step["settles_at"] else None,
                )
                for step in asked
            ],
        )


def print_jobs(views: Sequence[dict[str, Any]], as_json: bool) -> None:
    """Print many jobs."""
    if as_json:
        print_json(list(views))
        return
    print_table(
        ("id", "marketplace", "action", "user", "shop", "status", "priority", "created", "note"),
        [
            (
                *(view[name] for name in ("id", "marketplace", "action", "user_id", "shop_id")),
                view["status"],
                view["priority"],
                local_time(view["created_at"]),
                _note(view),
            )
            for view in views
        ],
    )


def progress_text(progress: dict[str, Any] | None) -> str:
    """Return how far a job is, in words."""
    if not progress:
        return ""
    total = progress.get("total")
    far = f"{progress.get('current')}" + (f" of {total}" if total else "")
    return f"{far}, {progress['message']}" if progress.get("message") else far


def _note(view: dict[str, Any]) -> str | None:
    """Return what a person wants to know first of a job in that state."""
    if view["cancel_requested"] and view["completed_at"] is None:
        return "cancellation requested"
    if view["pause_requested"] and view["status"] == "running":
        return "pause requested"
    note = view["waiting_reason"] or view["error"]
    if note is None and view["status"] == "running":
        note = progress_text(view["progress"])
    if note is None and view["result"] is not None:
        note = _text(view["result"])
    if not note:
        return None
    # A message of a marketplace may have several lines, and a row of a table has one.
    line = " ".join(note.split())
    return line if len(line) <= _NOTE_LENGTH else f"{line[: _NOTE_LENGTH - 1]}…"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
