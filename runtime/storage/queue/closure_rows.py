"""Stores the closures, which outlive every process."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from runtime.rate_limits.closures import Closure, ClosureKind, Level, Scope
from runtime.storage.models import SCHEMA
from runtime.storage.server.notifications import CLOSURES_CHANNEL

# The clocks of the nodes may differ from the clock of the database, so a closure stays for a
# while after its end.
_FORGOTTEN_AFTER = "1 minute"

_COLUMNS = "marketplace, level, shop_id, action, kind, reason, until, created_at"

# The unique index takes two NULLs for equal (NULLS NOT DISTINCT), so that the conflict also shows
# for a scope without a shop.
_CLOSE = text(f"""
    INSERT INTO {SCHEMA}.budget_closures AS closure ({_COLUMNS})
    SELECT * FROM unnest(
        CAST(:marketplaces AS text[]), CAST(:levels AS text[]), CAST(:shops AS bigint[]),
        CAST(:actions AS text[]), CAST(:kinds AS text[]), CAST(:reasons AS text[]),
        CAST(:untils AS timestamptz[]), CAST(:sinces AS timestamptz[])
    )
    ON CONFLICT (marketplace, level, shop_id, action, kind) DO UPDATE
    SET reason = excluded.reason, until = excluded.until, created_at = excluded.created_at
""")

# A scope above the shop has no shop, and most have no action. NULL equals nothing in SQL, so that
# such a closure would never be found by ``=``, and would stay closed.
_OPEN = text(f"""
    DELETE FROM {SCHEMA}.budget_closures AS closure
    USING unnest(
        CAST(:marketplaces AS text[]), CAST(:levels AS text[]), CAST(:shops AS bigint[]),
        CAST(:actions AS text[]), CAST(:kinds AS text[])
    ) AS opened (marketplace, level, shop_id, action, kind)
    WHERE closure.marketplace = opened.marketplace AND closure.level = opened.level
        AND closure.shop_id IS NOT DISTINCT FROM opened.shop_id
        AND closure.action IS NOT DISTINCT FROM opened.action
        AND closure.kind = opened.kind
""")

_OPEN_SHOP = text(f"""
    DELETE FROM {SCHEMA}.budget_closures WHERE shop_id = :shop_id RETURNING {_COLUMNS}
""")

_OPEN_MARKETPLACE = text(f"""
    DELETE FROM {SCHEMA}.budget_closures WHERE marketplace = :marketplace AND shop_id IS NULL
    RETURNING {_COLUMNS}
""")

_LIST = text(f"""
    SELECT {_COLUMNS} FROM {SCHEMA}.budget_closures
    WHERE (until IS NULL OR until > now())
        AND (CAST(:marketplaces AS text[]) IS NULL OR marketplace = ANY(:marketplaces))
    ORDER BY created_at, id
""")

_PRUNE = text(f"""
    DELETE FROM {SCHEMA}.budget_closures WHERE id IN (
        SELECT id FROM {SCHEMA}.budget_closures
        WHERE until < now() - CAST('{_FORGOTTEN_AFTER}' AS interval)
        LIMIT :portion FOR UPDATE SKIP LOCKED
    )
    RETURNING id
""")

_NOTIFY = text("""
    SELECT pg_notify(:channel, name) FROM unnest(CAST(:marketplaces AS text[])) AS name
""")


def close_scopes(session: Session, closures: Sequence[Closure]) -> None:
    """Write closures; each replaces an older closure of the same scope and kind.

    Args:
        closures: the closures, of which each scope and kind has one at most.
    """
    values = _keys((one.scope, one.kind) for one in closures)
    values["reasons"] = [one.reason for one in closures]
    # Moments as the node has them, and not durations: they come back unchanged, so that a closure
    # can be compared with itself at every load.
    values["untils"] = [one.until for one in closures]
    values["sinces"] = [one.since for one in closures]
    session.execute(_CLOSE, values)
    _announce(session, values["marketplaces"])


def open_scopes(session: Session, opened: Sequence[tuple[Scope, ClosureKind]]) -> None:
    """End these closures; closures of other kinds stay."""
    values = _keys(opened)
    session.execute(_OPEN, values)
    _announce(session, values["marketplaces"])


def open_shop(session: Session, shop_id: int) -> list[Closure]:
    """Open a shop, whatever closed it; returns the closures that this ended."""
    return _opened(session, session.execute(_OPEN_SHOP, {"shop_id": shop_id}).all())


def open_marketplace(session: Session, marketplace: str) -> list[Closure]:
    """Open a marketplace and its app key, but not its shops; returns the ended closures."""
    rows = session.execute(_OPEN_MARKETPLACE, {"marketplace": marketplace}).all()
    return _opened(session, rows)


def closures_of(session: Session, marketplaces: Sequence[str] | None = None) -> list[Closure]:
    """Return the closures that hold now, the oldest first; None means those of all marketplaces."""
    wanted = None if marketplaces is None else list(marketplaces)
    return [_closure(row) for row in session.execute(_LIST, {"marketplaces": wanted})]


def prune_closures(session: Session, portion: int) -> int:
    """Remove closures that ended; returns how many, at most ``batch``."""
    return len(session.execute(_PRUNE, {"portion": portion}).all())


def _keys(scopes: Iterable[tuple[Scope, ClosureKind]]) -> dict[str, Any]:
    named = list(scopes)
    return {
        "marketplaces": [scope.marketplace for scope, _ in named],
        "levels": [scope.level.value for scope, _ in named],
        "shops": [scope.shop_id for scope, _ in named],
        "actions": [scope.action for scope, _ in named],
        "kinds": [kind.value for _, kind in named],
    }


def _opened(session: Session, rows: Sequence[Row[Any]]) -> list[Closure]:
    opened = [_closure(row) for row in rows]
    _announce(session, [one.scope.marketplace for one in opened])
    now: datetime = session.execute(text("SELECT now()")).scalar_one()
    # Rows whose time is over may still have been there; nothing was closed by them any more.
    return sorted((one for one in opened if one.holds(now)), key=lambda one: one.since)


def _announce(session: Session, marketplaces: Iterable[str]) -> None:
    names = sorted(set(marketplaces))
    if names:
        session.execute(_NOTIFY, {"channel": CLOSURES_CHANNEL, "marketplaces": names})


def _closure(row: Row[Any]) -> Closure:
    scope = Scope(row.marketplace, Level(row.level), row.shop_id, row.action)
    return Closure(scope, ClosureKind(row.kind), row.reason, row.created_at, row.until)
