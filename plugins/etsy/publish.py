"""publish_etsy: put one product on sale."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, TypedDict

from plugins.etsy.client import EtsyClient
from plugins.etsy.drafts import Draft, find_draft, is_marked, marked
from plugins.etsy.inventory import first_inventory
from plugins.etsy.offer import Offer, checked_offer
from runtime import BaseJobHandler, CannotTell, Job, JobFailed, hookimpl
from runtime.store import ListingRow, checked_listing, record_listing

IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif"})


class Image(TypedDict):
    """The record of an image that was uploaded."""

    listing_image_id: int


class Activated(TypedDict):
    """The record of an activation."""

    url: str | None


class PublishEtsy(BaseJobHandler):
    """Makes a draft, gives it its images and its inventory, and activates it, each once::

        draft ──► image-1 … image-n ──► inventory ──► activate ──► store-listing

    Only the activation costs money, and only from then on buyers see the listing. A job that fails
    before the activation leaves its draft, with which `jobs retry` goes on.

    Attributes:
        settles_within: the time after which a write cannot take effect any more.
    """

    settles_within: timedelta | None = None

    async def execute(self, job: Job) -> dict[str, Any]:  # noqa: ARG002 - the interface
        """Check the product; then go from the draft to the sale."""
        offer = checked_offer(self.product, self.shop.settings, publishes=True)
        etsy = EtsyClient(self, self.settles_within)
        # createDraftListing is known to answer 500 although the draft exists, so after any unknown
        # outcome the drafts are looked through before a second one is made.
        draft: Draft = await self.step(
            "draft",
            partial(self._draft, etsy, offer),
            reconcile=partial(find_draft, etsy, self.job),
        )
        listing_id = draft["listing_id"]
        await self._upload_images(etsy, offer, listing_id)
        # The inventory is replaced as a whole, so it may be sent twice.
        await self.step(
            "inventory", partial(self._put_inventory, etsy, offer, listing_id), repeatable=True
        )
        # To activate twice is billed twice. The step looks at the state before it asks for the
        # activation, and again after an unknown outcome.
        activated: Activated = await self.step(
            "activate",
            partial(self._activate, etsy, offer, listing_id),
            reconcile=partial(_find_active, etsy, listing_id),
        )
        sold = sold_row(listing_id, offer, activated)
        await self.transaction(
            "store-listing", record_listing, self.shop_id, sold, self.job.product_id
        )
        return {"success": True, "external_id": sold["external_id"], "url": sold["url"]}

    async def _draft(self, etsy: EtsyClient, offer: Offer) -> Draft:
        # Inside the step, the check is done before the first draft only, and a flaw leaves no draft
        # behind.
        await self._check_images(offer.images)
        draft = await etsy.create_draft(offer.draft_form(marked(offer, self.job)))
        return Draft(listing_id=draft["listing_id"])

    async def _check_images(self, images: Sequence[str]) -> None:
        """Refuse images that Etsy is known not to take, before anything is sent."""
        types = await self.image_types(images)
        told = zip(images, types, strict=True)
        # The type of an image at an address is not known yet: it is checked when it is uploaded.
        others = [image for image, kind in told if kind and kind not in IMAGE_TYPES]
        if others:
            raise JobFailed(
                f"Etsy takes JPEG, PNG and GIF, unlike {', '.join(others)}; nothing was sent"
            )

    async def _upload_images(self, etsy: EtsyClient, offer: Offer, listing_id: int) -> None:
        # One image after the other: an image whose upload was not answered is recognised because it
        # is the only one beside those that were uploaded before.
        uploaded: list[int] = []
        for rank, source in enumerate(offer.images, start=1):
            image: Image = await self.step(
                f"image-{rank}",
                partial(_upload, etsy, listing_id, source, rank),
                reconcile=partial(_find_image, etsy, listing_id, tuple(uploaded)),
            )
            uploaded.append(image["listing_image_id"])

    async def _put_inventory(self, etsy: EtsyClient, offer: Offer, listing_id: int) -> None:
        await etsy.put_inventory(listing_id, first_inventory(offer))

    async def _activate(self, etsy: EtsyClient, offer: Offer, listing_id: int) -> Activated:
        listing = await etsy.listing(listing_id)
        if listing is None:
            raise JobFailed(
                f"the draft {listing_id} was deleted on Etsy before it was activated: create a "
                "new job"
            )
        if listing["state"] == "draft":
            form = {"state": "active", "description": offer.description}
            listing = await etsy.update(listing_id, form)
            # A seller may have activated the draft meanwhile, or this job did so and the answer was
            # lost. A listing that is no draft any more is not activated, because Etsy takes a fee
            # each time.
            if listing["state"] == "draft":
                raise JobFailed(f"Etsy left the listing {listing_id} a draft: look at it there")
        elif is_marked(listing, self.job):
            # The seller activated the draft by hand, and buyers can see the mark in its
            # description.
            listing = await etsy.update(listing_id, {"description": offer.description})
        return Activated(url=listing.get("url"))


def sold_row(listing_id: int, offer: Offer, activated: Activated) -> ListingRow:
    """Return the listing as far as it is known without another call; a sync adds the rest."""
    return checked_listing(
        listing_id,
        data={"listing_id": listing_id, "state": "active"},
        title=offer.title,
        price=offer.price,
        currency=offer.currency,
        # A person who answers for the step may not know the URL.
        url=activated.get("url"),
        sku=offer.sku,
    )


async def _find_active(etsy: EtsyClient, listing_id: int) -> Activated | None:
    """Return the record of an activation if the listing is no draft any more."""
    listing = await etsy.listing(listing_id)
    # Any other state counts, also sold_out and inactive: a draft becomes them only by way of an
    # activation, and a second activation would cost money again.
    if listing is None or listing["state"] == "draft":
        return None
    return Activated(url=listing.get("url"))


async def _upload(etsy: EtsyClient, listing_id: int, source: str, rank: int) -> Image:
    uploaded = await etsy.upload_image(listing_id, source, rank)
    return Image(listing_image_id=uploaded["listing_image_id"])


async def _find_image(etsy: EtsyClient, listing_id: int, uploaded: Sequence[int]) -> Image | None:
    """Return the image that is there beside those that were uploaded before; None: none."""
    ids = [one["listing_image_id"] for one in await etsy.images(listing_id)]
    others = [one for one in ids if one not in uploaded]
    if len(others) > 1:
        raise CannotTell(f"the listing {listing_id} has {len(others)} images of unknown origin")
    return Image(listing_image_id=others[0]) if others else None


@hookimpl
def job_handler() -> type[PublishEtsy]:
    """The handler of ``publish_etsy``."""
    return PublishEtsy
