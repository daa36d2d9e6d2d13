"""Etsy's Open API v3: the one place that knows its paths, its kinds of bodies and its shapes."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from plugins.etsy import shapes
from plugins.etsy.errors import is_gone
from runtime import PROGRAM, BaseJobHandler, HttpCall, ImageFile, JobFailed, RejectionSuppressed
from runtime.answers import unreadable

ROOT = "/v3/application"
MAX_LIMIT = 100

T = TypeVar("T")


class EtsyClient:
    """Calls Etsy for the shop of a job.

    Every method is awaited. Refusals are the failures of ``call_http``, with Etsy's own words; an
    answer of an unknown shape is a rejection of a read, and leaves it open whether a write
    happened.

    Args:
        settles_within: how long after it left a write can still take effect.

    Raises:
        JobFailed: the shop's external id is no shop's id on Etsy.
    """

    def __init__(self, handler: BaseJobHandler, settles_within: timedelta | None = None) -> None:
        shop = handler.shop.external_id
        # The id becomes part of paths. Without this check, an id of another kind would lead to
        # another path, and Etsy's 404 would be taken for a listing that is gone. isdigit alone lets
        # other digits pass, such as those of Arabic.
        if not shop.isascii() or not shop.isdigit():
            raise JobFailed(
                f"the external id {shop!r} of shop {handler.shop_id} is no shop's id on Etsy, "
                f"which is a number: connect the shop again (`{PROGRAM} shops connect etsy`)"
            )
        self._handler = handler
        self._shop = f"{ROOT}/shops/{shop}"
        self._settles_within = settles_within

    # --- listings ---------------------------------------------------------------------------

    async def listings(self, state: str, offset: int) -> shapes.CountedPage:
        """Call getListingsByShop; returns a page of the listings in one state, newest first."""
        params = {"state": state, "limit": MAX_LIMIT, "offset": offset}
        return await self._read("GET", f"{self._shop}/listings", shapes.page, params=params)

    async def listing(self, listing_id: int | str) -> dict[str, Any] | None:
        """Call getListing; returns None if there is no such listing."""
        return await self._found(f"{ROOT}/listings/{listing_id}", shapes.listing)

    async def create_draft(self, form: Mapping[str, Any]) -> dict[str, Any]:
        """Call createDraftListing, which makes another draft each time."""
        # The form has no key by which Etsy could know a repetition: an answer that was lost is
        # looked for among the drafts (plugins/etsy/drafts.py) instead of being asked for again.
        path = f"{self._shop}/listings"
        return await self._write("POST", path, shapes.listing, form=_form(form))

    async def update(self, listing_id: int | str, form: Mapping[str, Any]) -> dict[str, Any]:
        """Call updateListing, which changes what is sent; ``state=active`` costs money."""
        path = f"{self._shop}/listings/{listing_id}"
        return await self._write("PATCH", path, shapes.listing, form=_form(form))

    async def delete(self, listing_id: int | str) -> bool:
        """Call deleteListing; returns whether the listing was still there."""
        with RejectionSuppressed(is_gone):
            await self._write("DELETE", f"{ROOT}/listings/{listing_id}", lambda _: None)
            return True
        return False

    # --- what belongs to a listing ----------------------------------------------------------

    async def images(self, listing_id: int | str) -> list[dict[str, Any]]:
        """Call getListingImages; returns all images."""
        path = f"{ROOT}/listings/{listing_id}/images"
        return await self._read("GET", path, shapes.images)

    async def upload_image(self, listing_id: int | str, image: str, rank: int) -> dict[str, Any]:
        """Call uploadListingImage, which adds another image each time.

        Args:
            image: as in a product.
            rank: from 1.
        """
        return await self._write(
            "POST",
            f"{self._shop}/listings/{listing_id}/images",
            shapes.image,
            form={"rank": str(rank)},
            files={"image": ImageFile(image)},
        )

    async def inventory(self, listing_id: int | str) -> dict[str, Any] | None:
        """Call getListingInventory; returns None if there is no such listing."""
        return await self._found(f"{ROOT}/listings/{listing_id}/inventory", shapes.inventory)

    async def put_inventory(
        self, listing_id: int | str, inventory: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Call updateListingInventory, which replaces the whole inventory."""
        path = f"{ROOT}/listings/{listing_id}/inventory"
        return await self._write("PUT", path, shapes.inventory, json=dict(inventory))

    # --- sales ------------------------------------------------------------------------------

    async def receipts(self, offset: int, changed_since: int | None) -> shapes.CountedPage:
        """Call getShopReceipts; returns a page of the sales, the one that changed last first.

        Args:
            changed_since: the second since 1970 in which a sale must have changed, or later.
        """
        # Etsy sorts by creation unless told otherwise. By the time of change, a sale that changes
        # while pages are read moves to the front, and none slips from an unread page onto a read
        # one.
        params: dict[str, Any] = {
            "sort_on": "updated", "sort_order": "desc", "limit": MAX_LIMIT, "offset": offset
        }  # fmt: skip
        if changed_since is not None:
            params["min_last_modified"] = changed_since
        return await self._read("GET", f"{self._shop}/receipts", shapes.page, params=params)

    # --- how --------------------------------------------------------------------------------

    async def _found(self, path: str, shape: Callable[[Any], T]) -> T | None:
        with RejectionSuppressed(is_gone):
            return await self._read("GET", path, shape)
        return None

    async def _read(self, method: str, path: str, shape: Callable[[Any], T], **content: Any) -> T:
        return await self._shaped(self._handler.call_http(method, path, **content), shape)

    async def _write(self, method: str, path: str, shape: Callable[[Any], T], **content: Any) -> T:
        # A write whose answer is missing may still be on its way: nobody looks for its effect
        # before this time is over.
        call = self._handler.call_http(method, path, settles_within=self._settles_within, **content)
        return await self._shaped(call, shape)

    async def _shaped(self, call: HttpCall, shape: Callable[[Any], T]) -> T:
        answer = await call
        try:
            return shape(answer)
        except shapes.ShapeError as error:
            where = f"{call.method} {call.path}"
            # The answer came, but it does not say what happened. A read can be refused; a write may
            # have taken effect, so its outcome is unknown.
            raise unreadable(where, answer, str(error), writes=call.writes) from None


def _form(values: Mapping[str, Any]) -> dict[str, str]:
    """Return values as Etsy's forms take them: an array is one text with commas in it."""
    return {name: _field(value) for name, value in values.items() if value is not None}


def _field(value: Any) -> str:
    # A bool is tested first: str(True) is "True", which is no boolean of Etsy's forms.
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(_field(one) for one in value)
    return str(value)
