"""link_product_vinted: make a product from a listing, with its photos."""

from functools import partial
from typing import Any, TypedDict

from sqlalchemy.orm import Session

from plugins.vinted.client import VintedBrowser
from plugins.vinted.errors import Trouble, trouble_of
from plugins.vinted.offer import MOST_IMAGES
from plugins.vinted.pages import money, parse_item
from plugins.vinted.targets import LISTING_ID
from runtime import (
    BaseJobHandler,
    CallRejected,
    ImageRefused,
    InputError,
    Job,
    JobFailed,
    NotSent,
    checked_product,
    hookimpl,
)
from runtime.store import (
    ListingRow,
    link_of_listing,
    mark_listing_gone,
    named_listing,
    product_by_id,
    product_by_sku,
    product_link,
    record_listing,
    upsert_products,
)

SERVER_ERROR = 500

Photos = dict[str, list[str]]


class LinkedProduct(TypedDict):
    """The product that a listing sells from now on."""

    product_id: int
    sku: str
    created: bool


class LinkProductVinted(BaseJobHandler):
    """Links a listing to the job's product, or to one that is made from it.

    A product that exists keeps its data, and gets the photos if it has no images. Each photo is a
    step, so that a photo which was downloaded is not downloaded again.
    """

    async def execute(self, job: Job) -> dict[str, Any]:
        """Read the listing, download its photos, store the product."""
        wanted = named_listing(job.input_data, "Vinted", LISTING_ID)
        if wanted is None:
            raise JobFailed("input_data.external_id is missing: the id of the listing on Vinted")
        browser = VintedBrowser(self)
        try:
            item = await self.step("item", partial(self._read, browser, wanted))
        except CallRejected as error:
            if trouble_of(error) is not Trouble.GONE:
                raise
            await self.transaction("note-gone", mark_listing_gone, self.shop_id, wanted)
            raise JobFailed(
                f"the listing {wanted} is gone from Vinted (sold, deleted or taken down)"
            ) from error
        row = _row(item, wanted)
        photos = await self._photos(item)
        if not photos["kept"]:
            raise JobFailed(
                f"the listing {wanted} has no photo that can be used: "
                f"{'; '.join(photos['refused']) or 'it has none at all'}"
            )
        named = job.input_data.get("sku")
        product = _product(item, named or f"vinted-{wanted}", photos["kept"])
        linked = await self.transaction(
            "store-product",
            link_to_product,
            self.user_id,
            self.shop_id,
            job.product_id,
            product,
            row,
            job.input_data.get("force") is True,
            named is None,
        )
        if isinstance(linked, str):
            raise JobFailed(linked)
        return {"success": True, "external_id": wanted, **linked, **photos}

    async def _read(self, browser: VintedBrowser, wanted: str) -> dict[str, Any]:
        await browser.verify_account()
        item = await browser.item(wanted)
        seller = item.get("user")
        owner = seller.get("id") if isinstance(seller, dict) else item.get("user_id")
        # An item of anybody can be read by its id. Without this check a stranger's listing would
        # become a product of the seller.
        if owner is not None and str(owner) != self.shop.external_id:
            raise JobFailed(f"the listing {wanted} is another seller's ({owner})")
        return item

    async def _photos(self, item: dict[str, Any]) -> Photos:
        kept: list[str] = []
        refused: list[str] = []
        urls = _photo_urls(item)
        for number, url in enumerate(urls[:MOST_IMAGES], start=1):
            photo = await self.step(f"photo-{number}", partial(self._photo, url))
            (kept if "path" in photo else refused).append(photo.get("path") or photo["refused"])
            await self.progress(number, min(len(urls), MOST_IMAGES), "photos")
        refused += [
            f"{url}: a product has {MOST_IMAGES} photos at most" for url in urls[MOST_IMAGES:]
        ]
        return {"kept": kept, "refused": refused}

    async def _photo(self, url: str) -> dict[str, str]:
        """Return where the photo is stored, or why it cannot be; the job retries what may pass."""
        try:
            return {"path": await self.download_image(url)}
        except ImageRefused as error:
            return {"refused": str(error)}
        except CallRejected as error:
            if error.status == Trouble.COOL_DOWN.status or (error.status or 0) >= SERVER_ERROR:
                raise
            return {"refused": str(error)}
        except NotSent as error:
            # A host that cannot be reached is named after the last attempt. As an error, it would
            # keep the photos of all other hosts from the product for ever.
            if type(error) is not NotSent or self.job.retry_count < self.job.max_retries:
                raise
            return {"refused": str(error)}


def link_to_product(
    session: Session,
    user_id: int,
    shop_id: int,
    product_id: int | None,
    product: dict[str, Any],
    row: ListingRow,
    moves: bool,
    takes_any: bool,
) -> LinkedProduct | str:
    """Store the product, if it does not exist, and record that the listing sells it.

    Args:
        moves: whether to link a listing that sells another product until now.
        takes_any: whether the job names no product; the product that the listing sells already is
            then meant.

    Returns:
        the link, or a text that says why nothing was done, if the listing sells another product.
    """
    sells = link_of_listing(session, shop_id, row["external_id"])
    if product_id is None and takes_any and sells is not None:
        product_id = sells.product_id
    found = (
        product_by_sku(session, user_id, product["sku"])
        if product_id is None
        else product_by_id(session, user_id, product_id)
    )
    wanted = product_link(found.id if found else None, found.sku if found else product["sku"])
    others = {wanted.product_key, product_link(None, product["sku"]).product_key}
    # Without its listing the other product would seem not to be on sale, and the next publishing
    # would put it on sale a second time.
    if sells is not None and sells.product_key not in others and not moves:
        return (
            f"the listing {row['external_id']} sells another product already "
            f"({sells.product_key}), which would seem not to be on sale any more: give "
            '`"force": true` in input_data to move it'
        )
    if found is None:
        upsert_products(session, user_id, [product])
        made = product_by_sku(session, user_id, product["sku"])
        assert made is not None
        record_listing(session, shop_id, row, made.id)
        return LinkedProduct(product_id=made.id, sku=made.sku, created=True)
    if not found.data.get("images"):
        # An import changes the quantity only if it states another than the last one. The stated
        # quantity is therefore handed in again, and pieces that were sold since then stay sold.
        stated = found.quantity if found.stated_quantity is None else found.stated_quantity
        changed = {**found.data, "images": product["images"], "quantity": stated}
        upsert_products(session, user_id, [changed])
    record_listing(session, shop_id, row, found.id)
    return LinkedProduct(product_id=found.id, sku=found.sku, created=False)


def _row(item: dict[str, Any], wanted: str) -> ListingRow:
    try:
        row = parse_item(item)
    except InputError as error:
        raise JobFailed(
            f"what Vinted says of the listing {wanted} cannot be used: {error}"
        ) from error
    # A browser plugin that answers with another item would link the product to a listing that
    # nobody named.
    if row["external_id"] != wanted:
        raise JobFailed(
            f"asked for the listing {wanted}, the browser answered with {row['external_id']}: "
            "update the browser plugin"
        )
    return row


def _photo_urls(item: dict[str, Any]) -> list[str]:
    photos = item.get("photos")
    told = [one for one in (photos if isinstance(photos, list) else []) if isinstance(one, dict)]
    urls = [one.get("full_size_url") or one.get("url") for one in told]
    return list(dict.fromkeys(url for url in urls if isinstance(url, str)))


def _product(item: dict[str, Any], sku: object, images: list[str]) -> dict[str, Any]:
    price, currency = money(item.get("price"))
    try:
        return checked_product(
            {
                "sku": sku,
                "title": item.get("title"),
                "description": item.get("description"),
                "price": price,
                "currency": currency or item.get("currency"),
                "brand": _words(item, "brand", "brand_title"),
                "condition": _words(item, "condition", "status"),
                "category": _words(item, "category", "catalog_id"),
                "size": _words(item, "size", "size_title"),
                "color": _words(item, "color", "color1"),
                "images": images,
            },
            f"the listing {item.get('id')}",
        )
    except InputError as error:
        raise JobFailed(str(error)) from error


def _words(item: dict[str, Any], *names: str) -> str | int | None:
    """Return the first of these fields that holds a value, by itself or by its title."""
    for name in names:
        value = item.get(name)
        if isinstance(value, dict):
            value = value.get("title")
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return value
    return None


@hookimpl
def job_handler() -> type[LinkProductVinted]:
    """The handler of ``link_product_vinted``."""
    return LinkProductVinted
