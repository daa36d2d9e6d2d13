"""Closes and opens shops and marketplaces for an operator."""

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from runtime.errors import InputError
from runtime.rate_limits.closures import Closure, ClosureKind, Level, Scope
from runtime.shops.choice import check_marketplace, existing_shop
from runtime.storage.queue import closure_rows
from runtime.storage.server.locks import again_and_again
from runtime.values.arguments import checked_moment, checked_text

BY_AN_OPERATOR = "paused by an operator"


def pause_shop(
    session: Session, shop_id: int, reason: str | None, until: datetime | None
) -> Closure:
    """Close a shop: calls under way end, and no further call leaves."""
    shop = existing_shop(session, shop_id)
    return _pause(session, Scope(shop.marketplace, Level.SHOP, shop.id), reason, until)


def resume_shop(session: Session, shop_id: int) -> list[Closure]:
    """Open a shop, whoever closed it; returns the closures that this ended."""
    shop = existing_shop(session, shop_id)
    # The recorder of a service may hold a closure's row for the moment of a group commit.
    what = f"what closes shop {shop.id}"
    return again_and_again(session, what, lambda: closure_rows.open_shop(session, shop.id))


def pause_marketplace(
    session: Session, marketplace: str, reason: str | None, until: datetime | None
) -> Closure:
    """Close a marketplace with all its shops."""
    check_marketplace(session, marketplace)
    return _pause(session, Scope(marketplace, Level.MARKETPLACE), reason, until)


def resume_marketplace(session: Session, marketplace: str) -> list[Closure]:
    """Open a marketplace and its app key; its shops that are closed themselves stay so."""
    check_marketplace(session, marketplace)
    what = f"what closes {marketplace}"
    return again_and_again(
        session, what, lambda: closure_rows.open_marketplace(session, marketplace)
    )


def by_shop(found: Iterable[Closure]) -> dict[int, list[Closure]]:
    """Group the closures of shops and of their actions by shop."""
    grouped: dict[int, list[Closure]] = {}
    for closure in found:
        if closure.scope.shop_id is not None:
            grouped.setdefault(closure.scope.shop_id, []).append(closure)
    return grouped


def _pause(session: Session, scope: Scope, reason: str | None, until: datetime | None) -> Closure:
    now = datetime.now(UTC)
    if until is not None and checked_moment(until, "until") <= now:
        raise InputError(
            f"until is in the past ({until.isoformat(timespec='seconds')}): give a later time, "
            "or none to pause until it is resumed"
        )
    # The words say who paused, because a seller reads them as the reason why a job waits.
    words = BY_AN_OPERATOR
    if reason is not None:
        words = f"{words}: {checked_text(reason, 'reason')}"
    closure = Closure(scope, ClosureKind.PAUSED, words, now, until)
    again_and_again(
        session, f"what closes {scope}", lambda: closure_rows.close_scopes(session, [closure])
    )
    return closure
