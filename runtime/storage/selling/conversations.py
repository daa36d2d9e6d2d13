"""Stores the conversations between buyers and sellers."""

from typing import Any

from sqlalchemy import func, literal_column
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from runtime.storage.models import Conversation
from runtime.values.marketplace_values import checked_data, checked_identity


def upsert_conversation(
    session: Session, shop_id: int, external_id: object, data: dict[str, Any]
) -> bool:
    """Store a conversation as the marketplace shows it now; returns whether it is new.

    This runs inside the caller's transaction.

    Raises:
        InputError: the id or the data cannot be stored.
    """
    statement = insert(Conversation).values(
        shop_id=shop_id,
        external_id=checked_identity(external_id, "a conversation's id"),
        data=checked_data(data, "the conversation"),
    )
    told = statement.excluded
    is_new: bool = session.execute(
        statement.on_conflict_do_update(
            index_elements=[Conversation.shop_id, Conversation.external_id],
            set_={"data": told.data, "last_seen_at": func.now()},
            # xmax is 0 in an inserted row; an updated row has the id of its transaction there.
        ).returning(literal_column("conversations.xmax = 0"))
    ).scalar_one()
    return is_new
