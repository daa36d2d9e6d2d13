"""Waiting for something to become true, without sleeping longer than needed."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

SHORTEST_SECONDS = 0.01
LONGEST_SECONDS = 0.1
SHARE = 0.15
"""How much longer than needed a wait may get; looking more often costs what others run on."""


def wait_until(probe: Callable[[], T | None], seconds: float = 60.0) -> T:
    """Poll until the probe gives something true; fail with its name after the deadline."""
    began = time.monotonic()
    while not (value := probe()):
        waited = time.monotonic() - began
        if waited > seconds:
            raise AssertionError(f"not within {seconds:g} s: {probe!r}")
        time.sleep(min(max(waited * SHARE, SHORTEST_SECONDS), LONGEST_SECONDS))
    return value
