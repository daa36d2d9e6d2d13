"""Stores the usage of counted windows, so that a restart does not forget it."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from runtime.rate_limits import Usage
from runtime.rate_limits.closures import Level, Scope
from runtime.storage.models import SCHEMA

PRUNED_AT_ONCE = 10_000

# The larger of two counts is the later one, in whatever order they come: a count falls only where a
# release moves on to the next bucket, and then one call counts twice at worst. The order of the
# rows keeps two nodes that write the same buckets from a deadlock.
_RECORD = text(f"""
    INSERT INTO {SCHEMA}.budget_usage AS known
        (marketplace, node, window_seconds, bucket_start, count)
    SELECT * FROM unnest(
        CAST(:marketplaces AS text[]), CAST(:nodes AS text[]), CAST(:windows AS int[]),
        CAST(:starts AS timestamptz[]), CAST(:counts AS int[])
    ) AS used (marketplace, node, window_seconds, bucket_start, count)
    ORDER BY marketplace, node, window_seconds, bucket_start
    ON CONFLICT (marketplace, node, window_seconds, bucket_start)
    DO UPDATE SET count = GREATEST(known.count, excluded.count)
""")

# A bucket counts until all of it is out of its window, which twice the window surely covers.
_LOAD = text(f"""
    SELECT node, window_seconds, bucket_start, count FROM {SCHEMA}.budget_usage
    WHERE marketplace = :marketplace
        AND bucket_start > now() - 2 * window_seconds * interval '1 second'
""")

_PRUNE = text(f"""
    DELETE FROM {SCHEMA}.budget_usage WHERE ctid IN (
        SELECT ctid FROM {SCHEMA}.budget_usage
        WHERE bucket_start <= now() - 2 * window_seconds * interval '1 second'
        LIMIT :most
        FOR UPDATE SKIP LOCKED
    )
    RETURNING 1
""")


def record_usage(session: Session, usage: Sequence[Usage]) -> None:
    """Write the counts of these buckets, of which each occurs once at most."""
    session.execute(
        _RECORD,
        {
            "marketplaces": [one.scope.marketplace for one in usage],
            "nodes": [_text(one.scope) for one in usage],
            "windows": [int(one.window.total_seconds()) for one in usage],
            "starts": [one.bucket_start for one in usage],
            "counts": [one.count for one in usage],
        },
    )


def load_usage(session: Session, marketplace: str) -> tuple[Usage, ...]:
    """Return the buckets of a marketplace that may still count."""
    rows = session.execute(_LOAD, {"marketplace": marketplace})
    return tuple(
        Usage(_scope(marketplace, node), timedelta(seconds=window), start, count)
        for node, window, start, count in rows
    )


def prune_usage(session: Session) -> int:
    """Remove one batch of buckets that do not count any more; returns how many."""
    return len(session.execute(_PRUNE, {"most": PRUNED_AT_ONCE}).all())


def _text(scope: Scope) -> str:
    """Write a scope as text: ``app_key``, ``shop:3``, ``action:3:publish``."""
    parts = (scope.level.value, scope.shop_id, scope.action)
    return ":".join(str(part) for part in parts if part is not None)


def _scope(marketplace: str, written: str) -> Scope:
    level, *shop_and_action = written.split(":", 2)
    shop_id = int(shop_and_action[0]) if shop_and_action else None
    action = shop_and_action[1] if len(shop_and_action) > 1 else None
    return Scope(marketplace, Level(level), shop_id, action)
