"""A listing's images: one upload for each, in order of rank."""

import copy

from plugins.etsy.sandbox.errors import refused
from plugins.etsy.sandbox.listings import ListingOperations, own_shop
from plugins.etsy.sandbox.request_reader import flag, identifier, integer, single
from plugins.etsy.sandbox.state import EtsyState, Record
from runtime.sandbox import Answer, Call

MAX_IMAGES = 20
# The content of an image decides, and not its name or the type that a client claims.
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8")
_FIELDS = {"image", "listing_image_id", "rank", "overwrite", "is_watermarked", "alt_text"}


class ImageOperations:
    """The operations on images."""

    def __init__(self, state: EtsyState, listings: ListingOperations) -> None:
        self._state = state
        self._listings = listings

    def upload(self, call: Call) -> Answer:
        """uploadListingImage: multipart; the others move back, or one is overwritten."""
        own_shop(call)
        listing_id = self._listings.found(call)["listing_id"]
        if call.request.content_type != "multipart/form-data":
            raise refused(400, "Expected Content-Type multipart/form-data")
        parts = call.request.parts()
        fields = single((part.name, "") for part in parts)
        if unknown := sorted(set(fields) - _FIELDS):
            raise refused(400, f"Unknown parameter: {unknown[0]}")
        content = {part.name: part.content for part in parts}
        if not content.get("image", b"").startswith(_SIGNATURES):
            raise refused(400, "The image must be a JPEG, PNG or GIF file")
        rank = max(integer("rank", content.get("rank", b"1").decode()), 1)
        overwrite = flag("overwrite", content.get("overwrite", b"false").decode())
        images = self._state.images[listing_id]
        replaces = overwrite and rank <= len(images)
        if not replaces and len(images) >= MAX_IMAGES:
            raise refused(409, f"A listing can have at most {MAX_IMAGES} images")
        image = self._image(listing_id, content.get("alt_text", b"").decode())
        # A slice of nothing inserts, so the others move back; a slice of one replaces.
        images[rank - 1 : rank if replaces else rank - 1] = [image]
        _rank(images)
        return Answer(201, copy.deepcopy(image))

    def list_all(self, call: Call) -> Answer:
        """getListingImages: all of them."""
        images = self._state.images[self._listings.found(call)["listing_id"]]
        return Answer(200, {"count": len(images), "results": copy.deepcopy(images)})

    def delete(self, call: Call) -> Answer:
        """deleteListingImage: by its id."""
        own_shop(call)
        images = self._state.images[self._listings.found(call)["listing_id"]]
        image_id = identifier(call, "listing_image_id")
        others = [image for image in images if image["listing_image_id"] != image_id]
        if len(others) == len(images):
            raise refused(404, f"Could not find an image with listing_image_id = {image_id}")
        # The list itself stays, because the state holds it.
        images[:] = others
        _rank(images)
        return Answer(204)

    def _image(self, listing_id: int, alt_text: str) -> Record:
        image_id = 3_000_000_000 + self._state.next_number()
        now = self._state.timestamp()
        address = f"https://i.etsystatic.com/{listing_id}/{image_id}"
        return {
            "listing_id": listing_id,
            "listing_image_id": image_id,
            "rank": 0,
            "alt_text": alt_text,
            "creation_tsz": now,
            "created_timestamp": now,
            "full_height": 1_000,
            "full_width": 1_000,
            "url_75x75": f"{address}/il_75x75.jpg",
            "url_170x135": f"{address}/il_170x135.jpg",
            "url_570xN": f"{address}/il_570xN.jpg",
            "url_fullxfull": f"{address}/il_fullxfull.jpg",
        }


def _rank(images: list[Record]) -> None:
    for rank, image in enumerate(images, start=1):
        image["rank"] = rank
