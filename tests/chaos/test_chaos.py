"""Hundreds of jobs, and a monkey that kills what runs them: nothing lost, nothing done twice.

``CHAOS_SECONDS`` sets how long it goes on, ``CHAOS_SEED`` repeats a run.
"""

import gc
import os
import time
from contextlib import ExitStack

import pytest

from runtime.errors import DatabaseUnavailable
from tests.chaos.counting_marketplace import seeded_plan
from tests.chaos.monkey import Monkey
from tests.chaos.seller import Seller
from tests.chaos.stage import Stage, Staged
from tests.chaos.verdict import wrong_with

SECONDS = float(os.environ["CHAOS_SECONDS"])
SEED = int(os.environ["CHAOS_SEED"])
SHOPS = 8
SELLERS = 4
BLIND_EVERY = 10
BROWSED_EVERY = 3
JOBS_AT_ONCE = 20
QUIET_SECONDS = 240.0


@pytest.mark.timeout(SECONDS * 2 + QUIET_SECONDS + 60)
# The client of python-socketio leaves sockets to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_every_write_happens_once_whatever_the_monkey_does(staged: Staged) -> None:
    actions: dict[str, str] = {}
    with staged(seeded_plan(SEED)) as stage, ExitStack() as exits:
        sellers = [
            exits.enter_context(Seller(stage.marketplace, user_id, resume=user_id % 2 == 0))
            for user_id in range(1, 1 + SELLERS)
        ]
        monkey = Monkey(stage, SEED, sellers)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if stage.unfinished() < 2 * JOBS_AT_ONCE:
                _add_jobs(stage, actions)
            monkey.play()
        monkey.rest()
        stage.wait_quiet(QUIET_SECONDS)
        problems = wrong_with(stage, actions)
        exits.close()
        gc.collect()
        logs = "\n".join(one.logged()[-3_000:] for one in stage.services[-2:])
    assert not problems, (
        f"CHAOS_SEED={SEED}: {len(problems)} of {len(actions)} jobs went wrong, "
        f"after {monkey.played}\n" + "\n".join(problems[:5]) + f"\n{logs}"
    )


def _add_jobs(stage: Stage, actions: dict[str, str]) -> None:
    for _ in range(JOBS_AT_ONCE):
        number = len(actions)
        reference = f"{SEED}-{number}"
        action = "blind" if number % BLIND_EVERY == 0 else "publish"
        try:
            if number % BROWSED_EVERY == 1:
                action = "browsed"
                stage.add_job("publish", reference, 1 + number % SELLERS, "browsed")
            else:
                stage.add_job(action, reference, 1 + number % SHOPS)
        except DatabaseUnavailable:
            return
        actions[reference] = action
