"""Chooses the shop that a caller means, and adds shops."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from runtime.errors import InputError, ShopNotFound, ShopRequired
from runtime.errors.program import PROGRAM
from runtime.storage.models import Shop
from runtime.storage.queue.action_types import known_marketplaces
from runtime.storage.selling import shop_rows
from runtime.values.arguments import checked_id, checked_text

_NAMED = 5


def chosen_shop(
    session: Session, marketplace: str, user_id: int | None, shop_id: int | None
) -> Shop:
    """Return the shop that is meant; both ids may be omitted if only one shop is possible.

    Raises:
        ShopNotFound: the shop does not exist, or belongs to another marketplace or seller.
        ShopRequired: no shop was named, and more or fewer than one is possible.
    """
    if user_id is not None:
        checked_id(user_id, "user_id")
    if shop_id is not None:
        return _named_shop(session, marketplace, user_id, checked_id(shop_id, "shop_id"))
    # One more than the message names, so that it can say that there are others.
    found = shop_rows.list_shops(
        session, marketplace=marketplace, user_id=user_id, limit=_NAMED + 1
    )
    if len(found) == 1:
        return found[0]
    raise ShopRequired(_which_one(marketplace, user_id, found))


def add_shop(
    session: Session, marketplace: str, user_id: int, external_id: str, name: str | None = None
) -> Shop:
    """Add a seller's account, or return it if the same seller has it already.

    Raises:
        InputError: a value cannot be used, or the account is another seller's.
    """
    check_marketplace(session, marketplace)
    checked_id(user_id, "user_id")
    checked_text(external_id, "external_id")
    if name is not None:
        checked_text(name, "name")
    shop = shop_rows.insert_shop(session, marketplace, user_id, external_id, name)
    # The row may be older than this call: insert_shop returns the one that is there.
    if shop.user_id != user_id:
        raise InputError(
            f"the {marketplace} shop {external_id!r} already belongs to another user than "
            f"{user_id}: check the user and the external id"
        )
    return shop


def existing_shop(session: Session, shop_id: int) -> Shop:
    """Return the shop of an id.

    Raises:
        ShopNotFound: there is no such shop.
    """
    shop = shop_rows.shop_by_id(session, checked_id(shop_id, "shop_id"))
    if shop is None:
        raise ShopNotFound(
            f"shop {shop_id} does not exist; `{PROGRAM} shops list` shows those that do"
        )
    return shop


def check_marketplace(session: Session, marketplace: str) -> None:
    """Check that the marketplace has any actions.

    Raises:
        InputError: the marketplace is not known.
    """
    known = known_marketplaces(session)
    if marketplace not in known:
        raise InputError(
            f"the marketplace {marketplace!r} is not known; known: {', '.join(known) or 'none'}. "
            "Check its name, or install its handler plugin"
        )


def _named_shop(session: Session, marketplace: str, user_id: int | None, shop_id: int) -> Shop:
    shop = existing_shop(session, shop_id)
    if shop.marketplace != marketplace:
        raise ShopNotFound(
            f"shop {shop_id} is a shop on {shop.marketplace}, not on {marketplace}: "
            "name another shop or the other marketplace"
        )
    # An application passes on ids from its users: a wrong pair must not act for another seller.
    if user_id is not None and shop.user_id != user_id:
        raise ShopNotFound(
            f"shop {shop_id} does not belong to user {user_id}; "
            f"`{PROGRAM} shops list` shows whose it is"
        )
    return shop


def _which_one(marketplace: str, user_id: int | None, found: Sequence[Shop]) -> str:
    whose = "there is" if user_id is None else f"user {user_id} has"
    if not found:
        user = "USER" if user_id is None else str(user_id)
        return (
            f"{whose} no shop on {marketplace}: add one with "
            f"`{PROGRAM} shops add {marketplace} --user {user} --external-id ID`"
        )
    names = [f"{shop.id} ({shop.name or shop.external_id})" for shop in found[:_NAMED]]
    more = ", ..." if len(found) > _NAMED else ""
    return (
        f"{whose.replace('there is', 'there are')} several shops on {marketplace}; "
        f"name one of them: {', '.join(names)}{more}"
    )
