"""Maps the errors of values that PostgreSQL does not accept, in the one place of their writing."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, IntegrityError, StatementError

from runtime.errors import DatabaseRefused, InputError


@contextmanager
def mapped_value_errors() -> Iterator[None]:
    """Map errors about values to :class:`DatabaseRefused`."""
    try:
        yield
    # An InputError is a ValueError, too, and would below be taken for one of psycopg2.
    except InputError:
        raise
    except (DataError, IntegrityError) as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise DatabaseRefused(f"PostgreSQL refuses the value: {reason}") from error
    except StatementError as error:
        # psycopg2 refuses some values itself (a NUL in a text) with a plain ValueError.
        if isinstance(error.orig, ValueError | TypeError):
            raise DatabaseRefused(f"PostgreSQL cannot be given the value: {error.orig}") from error
        raise
    except (ValueError, TypeError) as error:
        raise DatabaseRefused(f"PostgreSQL cannot be given the value: {error}") from error
