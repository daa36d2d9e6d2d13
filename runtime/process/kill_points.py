"""Points at which a test can kill the process, to prove that nothing is lost or done twice.

``RUNTIME_FAULT="settle.before_commit@3"`` kills the process as ``kill -9`` would, when it reaches
that point for the third time. Outside of tests the variable is unset, and a point costs one
comparison.
"""

import os
import signal
from collections import Counter
from threading import Lock

FAULT_VARIABLE = "RUNTIME_FAULT"

_point, _, _count = os.environ.get(FAULT_VARIABLE, "").partition("@")
_target = int(_count or 1)
_reached: Counter[str] = Counter()
_lock = Lock()


def reached(point: str) -> None:
    """Say that the process is at this point."""
    # Outside of tests this comparison is all that a point costs.
    if point != _point:
        return
    with _lock:
        _reached[point] += 1
        if _reached[point] == _target:
            # SIGKILL runs no handler and no finally, as little as a power failure does.
            os.kill(os.getpid(), signal.SIGKILL)
