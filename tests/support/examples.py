"""How many examples a property test draws: few while somebody waits, all where it is thorough."""

import os

from hypothesis import settings

SHARE = 8
LEAST = 10


def examples(number: int) -> settings:
    """Settings for a test that is thorough with so many examples.

    A developer's run draws an eighth of them, since the tests are run again and again with other
    examples; ``THOROUGH=1``, which the check of a checkout sets, draws all.
    """
    drawn = number if os.environ.get("THOROUGH") else max(LEAST, number // SHARE)
    return settings(max_examples=drawn, deadline=None)
