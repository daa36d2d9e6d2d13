"""The page that draws the states of a job, made from the table of transitions.

``python -m tests.support.documents.job_states_page`` writes it anew.
"""

from runtime.runs.job_states import FINAL, TRANSITIONS, JobEvent, JobStatus
from tests.support.checkout import CHECKOUT

PAGE = CHECKOUT / "docs" / "job_states.md"

# Why each event happens. A new event needs a sentence here before the page can be made.
REASONS = {
    JobEvent.CLAIM: "A node takes the job and starts its run.",
    JobEvent.COMPLETE: "The handler returned.",
    JobEvent.FAIL: "The run failed for good, or its attempts are used up.",
    JobEvent.RETRY: "The run failed and is tried again; an attempt is used up.",
    JobEvent.SNOOZE: "The run waits for a time, a seller or an open lane; no attempt is used up.",
    JobEvent.HAND_BACK: "The node stopped, died or lost the run; no attempt is used up.",
    JobEvent.PAUSE: "A person asked for it, or a person has to answer a question.",
    JobEvent.RESUME: "A person lets the job go on.",
    JobEvent.CANCEL: "A person or a newer job ended the job.",
    JobEvent.EXPIRE: "The job never started, and its time is over.",
    JobEvent.REQUEUE: "A person has the job run again (`jobs retry`).",
}


def job_states_page() -> str:
    """The whole page."""
    return "\n".join(
        [
            "# The states of a job",
            "",
            "This page is made from the table in `runtime/runs/job_states.py`, and a test compares",
            "the two. To make it anew:",
            "",
            "```bash",
            ".venv/bin/python -m tests.support.documents.job_states_page",
            "```",
            "",
            "```mermaid",
            "stateDiagram-v2",
            f"    [*] --> {JobStatus.PENDING}",
            *_arrows(),
            *(f"    {status} --> [*]" for status in JobStatus if status in FINAL),
            "```",
            "",
            "| event | leads from | to | reason |",
            "| --- | --- | --- | --- |",
            *(_row(event) for event in JobEvent),
            "",
        ]
    )


def _arrows() -> list[str]:
    """One arrow for each pair of statuses, with all its events."""
    events: dict[tuple[JobStatus, JobStatus], list[str]] = {}
    for event, steps in TRANSITIONS.items():
        for before, after in steps.items():
            events.setdefault((before, after), []).append(event.value)
    return [f"    {before} --> {after}: {', '.join(by)}" for (before, after), by in events.items()]


def _row(event: JobEvent) -> str:
    steps = TRANSITIONS[event]
    (after,) = set(steps.values())
    return f"| `{event}` | {', '.join(steps)} | {after} | {REASONS[event]} |"


if __name__ == "__main__":
    PAGE.write_text(job_states_page())
