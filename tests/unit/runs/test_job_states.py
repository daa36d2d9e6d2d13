"""States: one table says every transition, and nothing else is possible."""

import pytest

from runtime.errors import IllegalTransition, InputError
from runtime.runs.job_states import FINAL, TRANSITIONS, JobEvent, JobStatus, after, sources, target

LEGAL = {
    ("pending", "claim"): "running",
    ("running", "complete"): "completed",
    ("running", "fail"): "failed",
    ("running", "retry"): "pending",
    ("running", "snooze"): "pending",
    ("running", "hand_back"): "pending",
    ("pending", "pause"): "paused",
    ("running", "pause"): "paused",
    ("paused", "resume"): "pending",
    ("pending", "cancel"): "cancelled",
    ("paused", "cancel"): "cancelled",
    ("running", "cancel"): "cancelled",
    ("pending", "expire"): "expired",
    ("paused", "requeue"): "pending",
    ("failed", "requeue"): "pending",
    ("cancelled", "requeue"): "pending",
    ("expired", "requeue"): "pending",
}


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("event", JobEvent)
def test_an_event_leads_where_the_table_says_or_is_refused(
    status: JobStatus, event: JobEvent
) -> None:
    follows = LEGAL.get((status.value, event.value))
    if follows is not None:
        assert after(status, event) == follows
        return
    with pytest.raises(IllegalTransition) as refused:
        after(status, event)
    assert (refused.value.status, refused.value.event) == (status, event)


def test_a_refusal_names_the_status_the_event_and_what_would_be_possible() -> None:
    with pytest.raises(InputError) as refused:
        after(JobStatus.COMPLETED, JobEvent.CANCEL)
    assert str(refused.value) == (
        "a job that is completed cannot take the event 'cancel'; "
        "a job that is paused or pending or running can"
    )


@pytest.mark.parametrize("event", JobEvent)
def test_the_database_is_given_the_same_table(event: JobEvent) -> None:
    assert {(status, event.value) for status in sources(event)} == {
        pair for pair in LEGAL if pair[1] == event
    }
    assert {target(event).value} == {end for (_, one), end in LEGAL.items() if one == event}


@pytest.mark.parametrize("status", sorted(FINAL))
def test_only_a_person_brings_back_a_job_that_is_over(status: JobStatus) -> None:
    leaving = {event for event, ends in TRANSITIONS.items() if status in ends}
    assert leaving <= {JobEvent.REQUEUE}


def test_what_succeeded_is_never_run_again() -> None:
    assert not [event for event, ends in TRANSITIONS.items() if JobStatus.COMPLETED in ends]


def test_every_status_that_is_not_final_can_still_end() -> None:
    for status in set(JobStatus) - FINAL:
        reached = {status}
        while (
            more := {ends[one] for ends in TRANSITIONS.values() for one in reached if one in ends}
            - reached
        ):
            reached |= more
        assert reached >= FINAL
