"""The service dies just before and just after each kind of commit; nothing is lost or doubled.

The names come from the source, so that a new kind of commit is a test that is missing.
"""

import ast
import os
import signal
from contextlib import suppress
from datetime import timedelta

import pytest

from plugins.vinted.sandbox.bridge_client import bridge_client, close_client
from runtime.bridge.seller_tokens import issue_token
from runtime.storage.models import SCHEMA
from tests.chaos.seller import SECRET
from tests.chaos.stage import ServiceProcess, Stage, Staged
from tests.chaos.verdict import wrong_with
from tests.support.checkout import CHECKOUT
from tests.support.deadline import wait_until

KILLED = -signal.SIGKILL
JOBS = 4
MORE_JOBS = 20
PATIENCE = 30.0

# Which time the point is reached; later ones than the first fall into the middle of the work.
TIMES = {
    "register": 1, "heartbeat": 4, "claim": 2, "rescue": 3, "intend": 3, "record": 4,
    "transaction": 2, "settle": 2, "progress": 1, "hand_back": 1, "presence": 1, "leave": 1,
    "hold": 1, "unhold": 1, "expire": 1, "forget": 1, "prune": 1, "close": 1,
    "usage": 3, "schedule": 2, "close-batches": 2, "prune-batches": 1,
}  # fmt: skip
# What no job of these tests comes to, and which tests do.
ELSEWHERE = {
    "renew_tokens": "tests/integration/shops/test_access_tokens.py",
    "rotate_keys": "tests/integration/shops/test_key_rotation.py",
    "former-import": "tests/integration/takeover/test_import_former.py",
    "former-undo": "tests/integration/takeover/test_import_former.py",
}


# The service is told to do this on top of its work, so that the commit comes about.
PROVOKED = {"hand_back": {"CHAOS_FAIL_ACTOR": "1"}, "close": {"CHAOS_CLOSE_ACTION": "1"}}


def names_in_source() -> set[str]:
    """Every name under which the service commits."""
    names: set[str] = set()
    for path in (*(CHECKOUT / "runtime").rglob("*.py"), *(CHECKOUT / "actors").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                first = node.args[0] if node.args else None
                if isinstance(node.func.value, ast.Name) and node.func.value.id == "handler":
                    continue  # a step of a handler, committed as every "transaction" is
                if node.func.attr in {"transaction", "_in_portions"} and isinstance(
                    first, ast.Constant
                ):
                    assert isinstance(first.value, str)
                    names.add(first.value)
    return names


def test_every_commit_has_its_test() -> None:
    assert names_in_source() == set(TIMES) | set(ELSEWHERE)
    for name, path in ELSEWHERE.items():
        assert f"{name}." in (CHECKOUT / path).read_text()


@pytest.mark.parametrize("name", TIMES)
def test_a_death_before_and_after_the_commit_costs_nothing(staged: Staged, name: str) -> None:
    with staged(lambda _reference, _count: "well") as stage:
        for moment in ("before", "after"):
            for user_id in range(1, 1 + JOBS):
                stage.add_job("publish", f"{name}-{moment}-{user_id}", user_id)
            dies_at(stage, name, f"{name}.{moment}_commit@{TIMES[name]}")
        stage.start()
        stage.wait_quiet(PATIENCE)
        assert not wrong_with(stage, dict.fromkeys(stage.jobs(), "publish"))
        wait_until(lambda: len(stage.nodes()) == 1, PATIENCE)
        assert not stage.rows(f"SELECT id FROM {SCHEMA}.marketplace_jobs WHERE node_id IS NOT NULL")


def dies_at(stage: Stage, name: str, fault: str) -> None:
    """A service that dies there, at its work."""
    more = PROVOKED.get(name, {})
    service = stage.start(RUNTIME_FAULT=fault, **more)
    provoke(service, name)
    for user_id in range(1 + JOBS, 1 + JOBS + MORE_JOBS):
        # Jobs that run beside each other may share a commit, so that their number alone does not
        # say how often the point is reached: the service gets work until it has died there.
        with suppress(AssertionError):
            wait_until(service.ended, 2.0)
        if service.ended():
            break
        stage.add_job("publish", f"{fault}-{user_id}", user_id)
    assert service.death() == KILLED


def provoke(service: ServiceProcess, name: str) -> None:
    """Bring about what does not come by itself."""
    if name == "leave":
        service.ready()
        os.kill(service.pid, signal.SIGTERM)
    elif name == "presence":
        seller = bridge_client(reconnection=False)
        port = service.ready().bridge_port()
        token = issue_token(7, SECRET, "HS256", timedelta(minutes=5))
        seller.connect(f"http://127.0.0.1:{port}", auth={"user_id": 7, "token": token})
        service.death()
        close_client(seller)
