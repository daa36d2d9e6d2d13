"""How long a statement may wait for another transaction's lock."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from runtime.errors import DatabaseUnavailable, MarketplaceRuntimeError

LONGEST_WAIT_SECONDS = 5
_LOCK_NOT_AVAILABLE = "55P03"

_REPLACE = text("""
    WITH former AS MATERIALIZED (SELECT current_setting('lock_timeout') AS timeout)
    SELECT former.timeout, set_config('lock_timeout', :timeout, true) FROM former
""")


@contextmanager
def bounded_lock_waits(session: Session, what: str) -> Iterator[None]:
    """Give up on a lock that another transaction holds for long.

    The former ``lock_timeout`` comes back afterwards: the transaction is the caller's and
    goes on.

    Raises:
        DatabaseUnavailable: ``what`` stayed locked.
    """
    former = _replace_timeout(session, f"{LONGEST_WAIT_SECONDS}s")
    try:
        yield
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) != _LOCK_NOT_AVAILABLE:
            raise
        raise DatabaseUnavailable(
            f"{what} is locked by another transaction for more than {LONGEST_WAIT_SECONDS} s: "
            "end that transaction, then try again"
        ) from error
    except MarketplaceRuntimeError:
        _replace_timeout(session, former)
        raise
    _replace_timeout(session, former)


def _replace_timeout(session: Session, timeout: str) -> str:
    former: str = session.execute(_REPLACE, {"timeout": timeout}).scalar_one()
    return former
