"""Whatever a stranger or a hostile seller sends, honest sellers are served meanwhile."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.hostile.attackers import ATTACKS
from tests.support.bridge.stack import Browser, Stack, ok, running, token

ATTACKERS = Path(__file__).with_name("attackers.py")
SELLERS = 5
ROUNDS = 12
LONGEST_SECONDS = 5.0
"""One connection could hold all others up for half a minute. Without a limit that a busy machine
keeps, nothing could be said; on an idle one it is a twentieth of a second."""
MOST_MEMORY = 64_000_000


@pytest.fixture
def stack() -> Iterator[Stack]:
    with running(max_bytes=10_000_000) as stack:
        yield stack


@contextmanager
def under_attack(stack: Stack, attack: str) -> Iterator[None]:
    arguments = [sys.executable, str(ATTACKERS), attack, str(stack.server.port), token(66)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as attacker:
        try:
            assert attacker.stdout is not None
            assert attacker.stdout.readline() == b"attacking\n"
            yield
            assert attacker.poll() is None, "the attacker gave up"
        finally:
            attacker.kill()


def round_trip(stack: Stack, browser: Browser, user_id: int, request_id: str) -> float:
    begun = time.monotonic()
    stack.request(request_id, user_id)
    assert browser.command()["request_id"] == request_id
    assert browser.respond(ok(request_id))["status"] == "ok"
    return time.monotonic() - begun


@pytest.mark.parametrize("attack", ATTACKS)
def test_honest_sellers_are_served_while_somebody_attacks(
    stack: Stack, attack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    browsers = {user_id: stack.browser(user_id) for user_id in range(1, SELLERS + 1)}
    process = psutil.Process()
    before = process.memory_info().rss
    with under_attack(stack, attack):
        seconds = [
            round_trip(stack, browser, user_id, f"{user_id}-{number}")
            for number in range(ROUNDS)
            for user_id, browser in browsers.items()
        ]
        begun = time.monotonic()
        stack.browser(user_id=50)
        newcomer = time.monotonic() - begun
    grown = process.memory_info().rss - before
    with capsys.disabled():
        sys.stdout.write(
            f"\n{attack}: round trips up to {max(seconds) * 1000:.0f} ms, a new seller in after "
            f"{newcomer * 1000:.0f} ms, memory grown by {grown / 1e6:.0f} MB\n"
        )
    assert max(seconds) < LONGEST_SECONDS
    assert newcomer < LONGEST_SECONDS
    assert grown < MOST_MEMORY
