"""Limits the time for which a statement waits for another transaction's lock."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from runtime.errors import LockHeld, MarketplaceRuntimeError

LONGEST_WAIT_SECONDS = 5
TRY_SECONDS = 1
TRIES = 5

T = TypeVar("T")
_LOCK_NOT_AVAILABLE = "55P03"

# MATERIALIZED has the former value read before it is replaced: PostgreSQL could otherwise merge the
# two selects, and the order within a merged select is not promised. The third argument of
# set_config limits the value to this transaction, so that a rollback restores it without our help.
_REPLACE = text("""
    WITH former AS MATERIALIZED (SELECT current_setting('lock_timeout') AS timeout)
    SELECT former.timeout, set_config('lock_timeout', :timeout, true) FROM former
""")


@contextmanager
def bounded_lock_waits(session: Session, what: str, seconds: float | None = None) -> Iterator[None]:
    """Give up on a lock that another transaction holds for long.

    The former ``lock_timeout`` is restored afterwards, because the transaction is the caller's
    and goes on.

    Args:
        seconds: the longest wait; the default is ``LONGEST_WAIT_SECONDS``.

    Raises:
        LockHeld: ``what`` stayed locked.
    """
    seconds = LONGEST_WAIT_SECONDS if seconds is None else seconds
    former = _replace_timeout(session, f"{round(seconds * 1000)}ms")
    try:
        yield
    except OperationalError as error:
        # The former timeout is not restored here: the transaction has failed and takes no statement
        # until it, or its savepoint, is rolled back, and that restores the value.
        if getattr(error.orig, "pgcode", None) != _LOCK_NOT_AVAILABLE:
            raise
        raise LockHeld(what, seconds) from error
    # An error of our own was raised by code and not by PostgreSQL. The transaction is sound, and
    # the caller may catch the error and go on with it.
    except MarketplaceRuntimeError:
        _replace_timeout(session, former)
        raise
    _replace_timeout(session, former)


def again_and_again(session: Session, what: str, change: Callable[[], T]) -> T:
    """Make a change, and wait for its lock a second at a time.

    Between the attempts no statement of others queues behind this one. A failed attempt undoes
    only itself, and not the earlier work of the transaction.

    Raises:
        LockHeld: ``what`` stayed locked; nothing was changed.
    """
    for _ in range(TRIES):
        try:
            with session.begin_nested(), bounded_lock_waits(session, what, TRY_SECONDS):
                return change()
        except LockHeld as error:
            held = error
    raise LockHeld(what, TRY_SECONDS * TRIES) from held


def _replace_timeout(session: Session, timeout: str) -> str:
    former: str = session.execute(_REPLACE, {"timeout": timeout}).scalar_one()
    return former
