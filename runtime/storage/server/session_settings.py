"""The settings of a database session on which the code relies.

Whatever a role, a database, the server or the environment sets, each transaction and each direct
connection begins with these, in one round trip. Names of tables are qualified everywhere, and the
migrations find a former system by its ``search_path``, which stays as it is, therefore.
``standard_conforming_strings`` stays, too, because psycopg2 quotes by the value that a connection
began with, and is right with both.
"""

from collections.abc import Iterator
from datetime import timedelta

CLIENT_ENCODING = "utf8"
"""The encoding of a connection, which the client has to name while it connects."""

# psycopg2 reads intervals, dates and binary values in these forms. JIT is off, because PostgreSQL
# takes longer to compile a claim than to run it. The code sets its own limits where it needs any.
_FORMS = {
    "intervalstyle": "postgres",
    "datestyle": "ISO, MDY",
    "timezone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "jit": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
}

# These came with later versions of PostgreSQL than the oldest that is supported.
_LATER = {"idle_session_timeout": 140_000, "transaction_timeout": 170_000}

# A commit that was confirmed has to outlive a crash; a stricter setting of the operator stays.
_DURABLE = (
    "SELECT set_config('synchronous_commit', 'on', {local}) "
    "WHERE current_setting('synchronous_commit') = 'off'"
)


def for_transaction(server_version: int, longest_idle: timedelta) -> str:
    """Return the statements that begin a transaction; they hold until it ends.

    They are made for each transaction, because a pooling proxy gives each another session.

    Args:
        server_version: PostgreSQL's number for its version, such as ``180004``.
        longest_idle: the time after which the server ends the transaction if nothing is sent.
    """
    limit = f"{longest_idle.total_seconds() * 1000:.0f}ms"
    settings = dict(_settings(server_version), idle_in_transaction_session_timeout=limit)
    return "; ".join(
        [
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
            *(f"SET LOCAL {name} = '{value}'" for name, value in settings.items()),
            _DURABLE.format(local="true"),
        ]
    )


def for_session(server_version: int) -> str:
    """Return the statements that begin a direct connection in autocommit mode.

    Args:
        server_version: PostgreSQL's number for its version, such as ``180004``.
    """
    settings = dict(_settings(server_version), default_transaction_isolation="read committed")
    return "; ".join(
        [
            *(f"SET {name} = '{value}'" for name, value in settings.items()),
            _DURABLE.format(local="false"),
        ]
    )


def _settings(server_version: int) -> Iterator[tuple[str, str]]:
    yield from _FORMS.items()
    yield from ((name, "0") for name, since in _LATER.items() if server_version >= since)
