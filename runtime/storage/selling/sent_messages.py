"""Stores with a conversation which job sent which message.

The row's ``data`` holds the marketplace's data and ``sent``, which maps the ids of messages to the
references of the jobs that sent them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from runtime.errors import InputError
from runtime.storage.models import Conversation
from runtime.storage.selling.conversations import upsert_conversation
from runtime.values.marketplace_values import checked_data

# A row holds a bounded number of bytes, and a job only looks for a message among the newest.
MOST_SENT = 500


class MessageTaken(InputError):
    """Another job has sent the message."""


def record_sent_message(
    session: Session,
    shop_id: int,
    conversation_id: str,
    reference: str,
    conversation: Mapping[str, Any] | None,
    candidates: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Store the first message that no other job sent as this job's message; returns it.

    This runs inside the caller's transaction.

    Args:
        reference: the name of the job.
        conversation: the marketplace's latest data on the conversation, or None.
        candidates: messages with an ``id``.

    Raises:
        MessageTaken: other jobs sent all of them; nothing was written.
    """
    stored = session.scalars(
        select(Conversation.data)
        .where(Conversation.shop_id == shop_id, Conversation.external_id == conversation_id)
        # Two jobs that look for their lost messages must not find the same one.
        .with_for_update()
    ).one_or_none()
    data = {**(stored or {}), **(conversation or {})}
    sent: dict[str, str] = (stored or {}).get("sent", {})
    for message in candidates:
        identity = str(message["id"])
        if sent.get(identity, reference) != reference:
            continue
        # jsonb does not keep the order of keys. The largest ids are the newest.
        newest = sorted({**sent, identity: reference}.items(), key=lambda one: _age(one[0]))
        data["sent"] = dict(newest[-MOST_SENT:])
        others = [one for one in data.get("messages", []) if str(one.get("id")) != identity]
        upsert_conversation(session, shop_id, conversation_id, _fitting(data, [*others, message]))
        return message
    raise MessageTaken(f"other jobs sent the messages {[one['id'] for one in candidates]}")


def _age(identity: str) -> tuple[int, str]:
    return len(identity), identity


def _fitting(data: dict[str, Any], messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the data with as many of the last messages as fit: a sent one must be recorded."""
    while messages:
        try:
            return checked_data({**data, "messages": messages}, "the conversation")
        except InputError:
            # Halving finds in a few steps how many messages fit.
            messages = messages[(len(messages) + 1) // 2 :]
    return {"messages": [], "sent": data["sent"]}
