"""The page of job states shows the table of transitions."""

from runtime.runs.job_states import TRANSITIONS
from tests.support.documents.job_states_page import PAGE, job_states_page


def test_the_page_is_the_one_that_the_table_makes() -> None:
    assert PAGE.read_text() == job_states_page(), (
        "run: python -m tests.support.documents.job_states_page"
    )


def test_every_transition_is_an_arrow() -> None:
    arrows = [line.strip() for line in PAGE.read_text().splitlines() if "-->" in line]
    drawn = {
        (ends, event)
        for ends, _, events in (arrow.partition(": ") for arrow in arrows)
        for event in events.split(", ")
    }
    for event, steps in TRANSITIONS.items():
        for before, after in steps.items():
            assert (f"{before} --> {after}", event.value) in drawn
