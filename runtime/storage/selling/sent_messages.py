"""Which job sent which message, kept with the conversation.

In its row's ``data``: what the marketplace says of it, and ``sent``, which maps the ids of
messages to the references of the jobs that sent them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from runtime.errors import InputError
from runtime.storage.models import Conversation
from runtime.storage.selling.conversations import upsert_conversation
from runtime.values.marketplace_values import checked_data

MOST_SENT = 500


class MessageTaken(InputError):
    """Another job sent the message."""


def record_sent_message(
    session: Session,
    shop_id: int,
    conversation_id: str,
    reference: str,
    conversation: Mapping[str, Any] | None,
    candidates: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Store the first of the messages that no other job sent, as this one's; returns it.

    Runs inside the caller's transaction.

    Args:
        reference: names the job.
        conversation: what the marketplace said of it last.
        candidates: messages with an ``id``.

    Raises:
        MessageTaken: other jobs sent all of them; nothing was written.
    """
    stored = session.scalars(
        select(Conversation.data)
        .where(Conversation.shop_id == shop_id, Conversation.external_id == conversation_id)
        .with_for_update()
    ).one_or_none()
    data = {**(stored or {}), **(conversation or {})}
    sent: dict[str, str] = (stored or {}).get("sent", {})
    for message in candidates:
        identity = str(message["id"])
        if sent.get(identity, reference) != reference:
            continue
        # JSON objects come back in an order of their own; the newest ids are the largest.
        newest = sorted({**sent, identity: reference}.items(), key=lambda one: _age(one[0]))
        data["sent"] = dict(newest[-MOST_SENT:])
        others = [one for one in data.get("messages", []) if str(one.get("id")) != identity]
        upsert_conversation(session, shop_id, conversation_id, _fitting(data, [*others, message]))
        return message
    raise MessageTaken(f"other jobs sent the messages {[one['id'] for one in candidates]}")


def _age(identity: str) -> tuple[int, str]:
    return len(identity), identity


def _fitting(data: dict[str, Any], messages: list[dict[str, Any]]) -> dict[str, Any]:
    """With as many of the last messages as a row holds: one that was sent must be recorded."""
    while messages:
        try:
            return checked_data({**data, "messages": messages}, "the conversation")
        except InputError:
            messages = messages[(len(messages) + 1) // 2 :]
    return {"messages": [], "sent": data["sent"]}
