"""The command jobs explain says why a job does not run, or where its time went."""

from datetime import UTC, datetime
from typing import Any

from runtime.cli.context import Plugins, command_session, command_settings
from runtime.cli.moments import local_time
from runtime.cli.options import AsJson, JobId
from runtime.cli.output import print_fields, print_json, print_line, print_table
from runtime.jobs.explanation import JobExplanation, explain_job
from runtime.waiting.expectation import Spent


def explain(job_id: JobId, as_json: AsJson = False) -> None:
    """Explain why a job does not run and when it is expected to, or where its time went."""
    aging = command_settings().aging
    with command_session() as session:
        explanation = explain_job(session, job_id, Plugins().registry, aging)
    if as_json:
        print_json(_view(explanation))
    else:
        _print(explanation)


def _print(explanation: JobExplanation) -> None:
    job = explanation.job
    print_line(f"job {job.id} ({explanation.action} on {job.marketplace}) is {job.status}")
    if job.superseded_by is not None:
        print_line(f"- job {job.superseded_by} makes it needless")
    for obstacle in explanation.obstacles:
        print_line(f"- {obstacle.text}")
    if explanation.expected is not None:
        if not explanation.obstacles:
            print_line("- nothing is in its way")
        start = explanation.expected.start
        shown = str(explanation.expected) if start is None else local_time(_iso(start) or "")
        print_fields([("expected start", shown)])
    if job.started_at is not None:
        tries = [("retries", job.retry_count), ("snoozes", job.snooze_count)]
        print_fields([(name, number) for name, number in tries if number])
        print_table(
            ("where its time went", "began", "seconds"),
            [
                (
                    one.what if one.ended else f"{one.what}, goes on",
                    local_time(_iso(one.began) or ""),
                    f"{one.duration.total_seconds():.3f}",
                )
                for one in explanation.spent
            ],
        )


def _view(explanation: JobExplanation) -> dict[str, Any]:
    expected = explanation.expected
    return {
        "id": explanation.job.id,
        "status": explanation.job.status,
        "superseded_by": explanation.job.superseded_by,
        "obstacles": [
            {"kind": one.kind.value, "text": one.text, "until": _iso(one.until)}
            for one in explanation.obstacles
        ],
        "expected_start": _iso(expected.start) if expected else None,
        "unknown_because": expected.because if expected else None,
        "spent": [_spent(one) for one in explanation.spent],
    }


def _spent(one: Spent) -> dict[str, Any]:
    return {
        "what": one.what,
        "began": _iso(one.began),
        "seconds": one.duration.total_seconds(),
        "ended": one.ended,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()
