"""How many examples a property test draws: few while somebody waits, all where it is thorough."""

import os

from hypothesis import settings

SHARE = 8
LEAST = 10


def drawn(number: int) -> int:
    """Return how many of a thorough run's examples this run draws.

    A developer's run draws an eighth of them, since tests are run again and again with other
    examples; ``THOROUGH=1``, which the check of a checkout sets, draws all.
    """
    return number if os.environ.get("THOROUGH") else max(LEAST, number // SHARE)


def examples(number: int) -> settings:
    """Settings for a test that is thorough with so many examples."""
    return settings(max_examples=drawn(number))
