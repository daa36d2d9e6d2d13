"""Sends the actions that a seller's browser executes, and reads their answers.

Nothing else in this package knows the names and the payloads of the actions. An answer is read in
the step that asked for it, so that the journal records only answers that could be understood.
Every refusal arrives as ``CallRejected`` with the status and the code that
:mod:`plugins.vinted.errors` gives it.
"""

from datetime import timedelta
from typing import Any

from plugins.vinted import protocol
from plugins.vinted.errors import may_not_know_action, sorted_out
from plugins.vinted.pages import (
    Asked,
    Frame,
    ListingPage,
    Summary,
    parse_frame,
    parse_item,
    parse_sync,
    parse_wardrobe,
)
from runtime import BaseJobHandler, CallRejected, InputError, JobFailed, NeedsUser, OutcomeUnknown
from runtime.store import ListingRow

MAX_PER_PAGE = protocol.MAX_PER_PAGE
LONGEST_TOLD = 255


class VintedBrowser:
    """The seller's browser, as the handler of one job sees it."""

    def __init__(self, handler: BaseJobHandler) -> None:
        self._handler = handler
        self._shop_id = handler.shop.external_id
        self._verified = False
        created = handler.job.created_at.timestamp()
        self.reference = f"job-{handler.job_id}-{int(created)}"
        """The name of the job for ever: ids begin anew in a new database, but times do not."""

    async def sync(self, page: int, per_page: int) -> ListingPage | Summary:
        """Read one page of the shop's wardrobe; pages are counted from 1.

        Raises:
            JobFailed: the answer cannot be understood.
            CallRejected: see :mod:`plugins.vinted.errors`; all methods raise it.
            NeedsUser: somebody else than the shop is logged in; all methods that read raise it.
        """
        answer = await self._ask("VINTED_SYNC", self._page(page, per_page), reads=True)
        return parse_sync(answer, page)

    async def wardrobe(self, page: int, per_page: int = MAX_PER_PAGE) -> ListingPage:
        """Read one page of the items on sale, the newest first; pages are counted from 1.

        Raises:
            JobFailed: the answer cannot be understood.
        """
        answer = await self._ask("VINTED_GET_WARDROBE", self._page(page, per_page), reads=True)
        return parse_wardrobe(answer, Asked("VINTED_GET_WARDROBE", page))

    async def newest(self) -> list[str] | None:
        """Return the ids of the newest items, or None if the browser plugin cannot tell them.

        Raises:
            NeedsUser: somebody else is logged in.
        """
        try:
            page = await self.wardrobe(1)
        except (JobFailed, CallRejected) as error:
            # Only an older browser plugin is excused. Any other refusal ends the run, because a
            # wardrobe that cannot be read for the moment is no reason to trust an account that was
            # not compared.
            if isinstance(error, CallRejected) and not may_not_know_action(error):
                raise
            self._handler.log.warning("the browser cannot show what is on sale", reason=str(error))
            # Nothing more can be learned from this browser plugin, so the other writes of the run
            # do not ask it again.
            self._verified = True
            return None
        return [row["external_id"] for row in page["rows"]]

    async def verify_account(self) -> None:
        """Make sure, once in a run, that the shop's own account is logged in.

        A browser plugin that cannot say who is logged in is trusted: every payload names the
        shop.

        Raises:
            NeedsUser: another account is logged in.
        """
        if not self._verified:
            await self.newest()

    async def orders(self, page: int, per_page: int = MAX_PER_PAGE) -> Frame:
        """Read one page of the shop's sales, the newest first; pages are counted from 1.

        Raises:
            JobFailed: the answer cannot be understood.
        """
        answer = await self._ask("VINTED_ORDERS", self._page(page, per_page), reads=True)
        return parse_frame(answer, Asked("VINTED_ORDERS", page, "orders"))

    async def publish(self, product: protocol.ProductSent, settles_within: timedelta) -> ListingRow:
        """Put the product on sale.

        Raises:
            OutcomeUnknown: the product is on sale, but the answer does not say as which item.
        """
        payload = protocol.Publish(shop_id=self._shop_id, reference=self.reference, product=product)
        answer = await self._ask("VINTED_PUBLISH", payload, settles_within=settles_within)
        try:
            return parse_item(answer.get("item") if isinstance(answer, dict) else None)
        except InputError as error:
            # The item is on sale. An ordinary failure would let the next run publish it a
            # second time; after an unknown outcome the wardrobe is looked through first.
            raise OutcomeUnknown(
                f"Vinted has published it, but the browser's answer does not say as what: {error}",
                error_code="unreadable_answer",
                writes=True,
            ) from error

    async def update(self, item_id: str, product: protocol.ProductSent) -> None:
        """Change the item, so that it says what the product says."""
        payload = protocol.Update(
            shop_id=self._shop_id, item_id=item_id, reference=self.reference, product=product
        )
        await self._ask("VINTED_UPDATE", payload)

    async def delete(self, item_id: str) -> None:
        """Take the item off sale."""
        payload = protocol.Delete(shop_id=self._shop_id, item_id=item_id, reference=self.reference)
        await self._ask("VINTED_DELETE", payload)

    async def send_message(
        self, conversation_id: str, text: str, settles_within: timedelta
    ) -> dict[str, Any]:
        """Write to the buyer, and return the message as Vinted has stored it.

        Raises:
            OutcomeUnknown: the message was sent, but the answer does not hold it.
        """
        payload = protocol.Message(
            shop_id=self._shop_id,
            conversation_id=conversation_id,
            reference=self.reference,
            text=text,
        )
        answer = await self._ask("VINTED_MESSAGE", payload, settles_within=settles_within)
        message = answer.get("message") if isinstance(answer, dict) else None
        if not isinstance(message, dict) or not isinstance(message.get("id"), int | str):
            # The buyer has the message. As a plain failure it could be written to the buyer twice.
            raise OutcomeUnknown(
                "Vinted has sent it, but the browser's answer does not hold the message",
                error_code="unreadable_answer",
                writes=True,
            )
        return message

    async def conversation(self, conversation_id: str) -> dict[str, Any]:
        """Return a whole conversation, as ``{id, messages: […], …}``.

        Raises:
            JobFailed: the answer cannot be understood.
        """
        return await self._get(f"/conversations/{conversation_id}", "conversation", "messages")

    async def item(self, item_id: str) -> dict[str, Any]:
        """Return all the data that Vinted gives of one item.

        Raises:
            JobFailed: the answer cannot be understood.
        """
        return await self._get(f"/items/{item_id}", "item", "id")

    async def _get(self, endpoint: str, name: str, needed: str) -> dict[str, Any]:
        payload = protocol.ApiCall(method="GET", endpoint=endpoint, data=None)
        answer = await self._ask("VINTED_API_CALL", payload, reads=True)
        found = answer.get(name) if isinstance(answer, dict) else None
        if not isinstance(found, dict) or needed not in found:
            raise JobFailed(
                f"the browser's answer to GET {endpoint} cannot be used: `{name}` is no object "
                f"with `{needed}` (update the browser plugin)"
            )
        return found

    def _page(self, page: int, per_page: int) -> protocol.PageWanted:
        return protocol.PageWanted(shop_id=self._shop_id, page=page, per_page=per_page)

    async def _ask(
        self,
        action: str,
        payload: protocol.Payload,
        *,
        reads: bool = False,
        settles_within: timedelta | None = None,
    ) -> Any:
        try:
            answer = await self._handler.call_websocket(
                action, payload.model_dump(), reads=reads, settles_within=settles_within
            )
        except CallRejected as error:
            raise sorted_out(error) from error
        # The answer to a write does not name an account, and would name it too late. Handlers
        # therefore call verify_account before each write.
        if reads:
            self._compare_account(answer)
        return answer

    def _compare_account(self, answer: Any) -> None:
        account = answer.get("account") if isinstance(answer, dict) else None
        told = account.get("id") if isinstance(account, dict) else None
        # An older browser plugin may not name the account, and the answer with one item or one
        # conversation never does.
        if told is None:
            return
        # Vinted gives ids as numbers, and the shop stores its id as text.
        if str(told) != self._shop_id:
            raise NeedsUser(
                f"the browser is logged in to Vinted as account {str(told)[:LONGEST_TOLD]}, and "
                f"the shop is {self._shop_id}: log in there with the shop's account"
            )
        self._verified = True
