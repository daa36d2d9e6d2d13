"""Chooses the seller that a caller means."""

from sqlalchemy.orm import Session

from runtime.errors import SellerRequired
from runtime.storage.selling.sellers import list_sellers
from runtime.values.arguments import checked_id

_NAMED = 5


def chosen_seller(session: Session, user_id: int | None) -> int:
    """Return the id of the seller that is meant; it may be omitted if there is only one seller.

    Raises:
        SellerRequired: no seller was named, and more or fewer than one is possible.
        InputError: the value is no id.
    """
    if user_id is not None:
        return checked_id(user_id, "user_id")
    found = list_sellers(session, limit=_NAMED + 1)
    if len(found) == 1:
        return found[0]
    if not found:
        raise SellerRequired(
            "there is no seller yet, with a shop or a product: name the new one with --user ID"
        )
    more = ", ..." if len(found) > _NAMED else ""
    raise SellerRequired(
        "there are several sellers; name one of them with --user: "
        f"{', '.join(map(str, found[:_NAMED]))}{more}"
    )
