"""message_vinted: reply to a buyer, once."""

from datetime import timedelta
from functools import partial
from typing import Any

from plugins.vinted.client import VintedBrowser
from plugins.vinted.errors import may_not_know_action
from runtime import BaseJobHandler, CallRejected, CannotTell, Job, JobFailed, hookimpl
from runtime.store import MessageTaken, record_sent_message

STEP = "send"
LONGEST_TEXT = 2_000

Conversation = dict[str, Any]


class MessageVinted(BaseJobHandler):
    """Sends one message.

    The messages that the conversation held before tell a message of this job from an earlier one
    with the same words. As with a publishing, the step ends with the transaction that stores the
    message.
    """

    settles_within = timedelta(minutes=1)

    async def execute(self, job: Job) -> dict[str, Any]:
        """Check the text, read the conversation, and send the message."""
        conversation_id, text = checked_message(job.input_data)
        browser = VintedBrowser(self)
        # The look is a recorded step. A look of a later run would count the message that a lost
        # first run has sent among the earlier ones, and send it once more.
        before = await self.step("look-before", partial(self._read, browser, conversation_id))
        message = await self.step(
            STEP,
            partial(self._send, browser, conversation_id, text, before),
            reconcile=partial(self._find, browser, conversation_id, text, before),
        )
        return {"success": True, "conversation_id": conversation_id, "message": message}

    async def _read(self, browser: VintedBrowser, conversation_id: str) -> Conversation | None:
        """Return the conversation, or None if the browser plugin cannot read conversations."""
        try:
            return await browser.conversation(conversation_id)
        except JobFailed as error:
            reason = str(error)
        except CallRejected as error:
            # An older browser plugin still sends messages. Any other refusal, such as a
            # conversation that is not there, must end the job before anything is written.
            if not may_not_know_action(error):
                raise
            reason = str(error)
        self.log.warning("the browser cannot show the conversation", reason=reason)
        return None

    async def _send(
        self, browser: VintedBrowser, conversation_id: str, text: str, before: Conversation | None
    ) -> Any:
        await browser.verify_account()
        sent = await browser.send_message(conversation_id, text, self.settles_within)
        return await self._store(browser, conversation_id, before, [sent])

    async def _find(
        self, browser: VintedBrowser, conversation_id: str, text: str, before: Conversation | None
    ) -> Any:
        now = await browser.conversation(conversation_id)
        found = _new_messages(now, before, browser.reference, text)
        certain = any(one.get("reference") for one in found)
        if found and not certain:
            # Nothing tells whether the seller wrote these words long ago, so a person has to look.
            if before is None:
                raise CannotTell("a message of these words is there, and may be an older one")
            if await self.settled(STEP):
                # The message may be another job's of the same words, while the command of this job
                # is still on its way. Once that cannot arrive any more, a second look is final.
                now = await browser.conversation(conversation_id)
                found = _new_messages(now, before, browser.reference, text)
        if not found:
            return None
        try:
            return await self._store(browser, conversation_id, now, found)
        except MessageTaken as taken:
            # A message that another job has taken and that bears no reference is that job's. This
            # job has then sent nothing, and may send.
            if any(one.get("reference") for one in found):
                raise CannotTell(f"the message there is this job's, and {taken}") from taken
            return None

    async def _store(
        self,
        browser: VintedBrowser,
        conversation_id: str,
        conversation: Conversation | None,
        candidates: list[dict[str, Any]],
    ) -> Any:
        return await self.transaction(
            STEP,
            record_sent_message,
            self.shop_id,
            conversation_id,
            browser.reference,
            conversation,
            candidates,
        )


def checked_message(input_data: dict[str, Any]) -> tuple[str, str]:
    """Return the conversation's id and the text, from a job's ``input_data``.

    Raises:
        JobFailed: some of it is missing or wrong; the message names everything at once.
    """
    conversation_id, text = input_data.get("conversation_id"), input_data.get("text")
    flaws = []
    known = isinstance(conversation_id, str | int) and not isinstance(conversation_id, bool)
    # The id becomes a part of a path, so a slash or a question mark would lead to another address.
    if not known or not str(conversation_id).isalnum():
        flaws.append("conversation_id must be the id of a conversation on Vinted")
    if not isinstance(text, str) or not text.strip():
        flaws.append("text must be what is to be said")
    elif len(text) > LONGEST_TEXT:
        flaws.append(f"text may have {LONGEST_TEXT:,} characters, not {len(text):,}")
    if flaws:
        raise JobFailed(f"input_data cannot be used: {'; '.join(flaws)}; nothing was sent")
    return str(conversation_id), str(text)


def _new_messages(
    now: Conversation, before: Conversation | None, reference: str, text: str
) -> list[dict[str, Any]]:
    """Return the messages that may be the job's: by its reference, otherwise by its words."""
    earlier = {str(one["id"]) for one in _own_messages(before or {})}
    new = [one for one in _own_messages(now) if str(one["id"]) not in earlier]
    named = [one for one in new if one.get("reference") == reference]
    nameless = [one for one in new if not one.get("reference")]
    return named or [one for one in nameless if _words(one.get("text")) == text.split()]


def _words(said: Any) -> list[str]:
    """Return the words of a text: spaces and line ends may come back otherwise than sent."""
    return said.split() if isinstance(said, str) else []


def _own_messages(conversation: Conversation) -> list[dict[str, Any]]:
    """Return the seller's messages, the oldest first: ids grow."""
    messages = conversation.get("messages")
    own = [
        one
        for one in (messages if isinstance(messages, list) else [])
        if isinstance(one, dict) and one.get("from_seller") is True and one.get("id") is not None
    ]
    # Ids may be numbers or text. By length first, numbers in text come in the order of numbers.
    return sorted(own, key=lambda one: (len(str(one["id"])), str(one["id"])))


@hookimpl
def job_handler() -> type[MessageVinted]:
    """The handler of ``message_vinted``."""
    return MessageVinted
