"""Hundreds of jobs, and a monkey that kills what runs them: nothing lost, nothing done twice.

``CHAOS_SECONDS`` sets how long it goes on, ``CHAOS_SEED`` repeats a run.
"""

import os
import random
import time

import pytest

from runtime.errors import DatabaseUnavailable
from tests.chaos.counting_marketplace import seeded_plan
from tests.chaos.monkey import Monkey
from tests.chaos.verdict import wrong_with

SECONDS = float(os.environ.get("CHAOS_SECONDS", "30"))
SEED = int(os.environ.get("CHAOS_SEED") or random.randrange(1_000_000))
SHOPS = 8
BLIND_EVERY = 10
JOBS_AT_ONCE = 20
QUIET_SECONDS = 90.0


@pytest.mark.timeout(SECONDS * 2 + QUIET_SECONDS + 60)
def test_every_write_happens_once_whatever_the_monkey_does(staged, capsys):
    with capsys.disabled():
        print(f"\nCHAOS_SEED={SEED} CHAOS_SECONDS={SECONDS:g}", flush=True)
    actions: dict[str, str] = {}
    with staged(seeded_plan(SEED)) as stage:
        monkey = Monkey(stage, SEED)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if stage.unfinished() < 4 * JOBS_AT_ONCE:
                _add_jobs(stage, actions)
            monkey.play()
        stage.wait_quiet(QUIET_SECONDS)
        problems = wrong_with(stage, actions)
        logs = "\n".join(one.logged()[-3_000:] for one in stage.services[-2:])
    with capsys.disabled():
        print(f"{len(actions)} jobs, {len(monkey.played)} tricks", flush=True)
    assert not problems, (
        f"CHAOS_SEED={SEED}: {len(problems)} jobs went wrong, after {monkey.played}\n"
        + "\n".join(problems[:5])
        + f"\n{logs}"
    )


def _add_jobs(stage, actions: dict[str, str]) -> None:
    for _ in range(JOBS_AT_ONCE):
        number = len(actions)
        action = "blind" if number % BLIND_EVERY == 0 else "publish"
        reference = f"{SEED}-{number}"
        try:
            stage.add_job(action, reference, user_id=1 + number % SHOPS)
        except DatabaseUnavailable:
            return
        actions[reference] = action
