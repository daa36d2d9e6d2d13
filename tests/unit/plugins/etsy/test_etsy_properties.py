"""However each request ends, and wherever the process dies: on sale once, paid once."""

import random
from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from plugins.etsy.publish import PublishEtsy
from plugins.etsy.sandbox import EtsySandbox
from runtime.runs.calls import HttpCall
from runtime.runs.execution import Failed, Finished
from runtime.runs.job import Job, Shop
from tests.support.examples import examples
from tests.support.handlers.handler_harness import make_job
from tests.support.handlers.replay_world import clear_failures
from tests.support.marketplaces.etsy_world import ANSWERS, Etsy, EtsyRun, EtsyWorld

SETTINGS = {
    "who_made": "someone_else", "when_made": "2010_2019", "taxonomy_map": {"dresses": 374},
    "shipping_profile_id": "9001",
}  # fmt: skip
PRODUCT = {
    "title": "Robe", "description": "Bleue", "price": "12.50", "category": "dresses",
    "images": ["a/1.jpg", "a/2.jpg"],
}  # fmt: skip
OWN = {
    "title": "Robe", "description": "Bleue", "price": "12.50", "quantity": "1",
    "who_made": "someone_else", "when_made": "2010_2019", "taxonomy_id": "374",
    "shipping_profile_id": "9001",
}  # fmt: skip
ATTEMPTS = 40


def job(number: int) -> Job:
    made = make_job("publish", "etsy", product={"sku": f"A-{number}", **PRODUCT})
    return replace(made, id=number, shop=Shop(1, str(EtsySandbox.shop_id), None, SETTINGS))


def to_the_end(world: EtsyWorld, one: Job, order: random.Random, crashes: list[int]) -> Finished:
    """Run, crash, and try again, as the runtime would."""
    for _ in range(ATTEMPTS):
        crash = crashes.pop(0) if crashes else None
        end = EtsyRun(world, lambda: PublishEtsy(one).execute(one), order, crash).to_the_end()
        if isinstance(end, Finished):
            return end
        if end is not None:
            assert isinstance(end, Failed), end
            clear_failures(world, end)
    raise AssertionError("it never ends")


@given(
    st.lists(st.sampled_from(ANSWERS), max_size=10),
    st.lists(st.integers(0, 30), max_size=6),
    st.randoms(use_true_random=False),
    st.integers(0, 3),
)
@examples(80)
def test_equal_products_are_on_sale_once_each(
    answers: list[str], crashes: list[int], order: Random, own_drafts: int
) -> None:
    etsy = Etsy(answers)
    path = f"/v3/application/shops/{EtsySandbox.shop_id}/listings"
    own = {
        etsy.serve(HttpCall("POST", path, form=OWN)).body["listing_id"] for _ in range(own_drafts)
    }
    worlds = [EtsyWorld(etsy=etsy) for _ in range(2)]
    ids = []
    for number, world in enumerate(worlds, start=1):
        end = to_the_end(world, job(number), order, crashes)
        ids.append(int(end.result["external_id"]))
    for world in worlds:
        world.wait_until(10**6)

    listings = etsy.sandbox.listings
    assert set(listings) == {*ids, *own}, "nothing is left over"
    assert [fee.listing_id for fee in etsy.sandbox.fees] == ids
    assert {listings[one]["state"] for one in own} <= {"draft"}
    for number, listing_id in enumerate(ids, start=1):
        listing = listings[listing_id]
        (sold,) = listing["inventory"]["products"]
        assert (listing["state"], listing["description"], sold["sku"], len(listing["images"])) == (
            "active", "Bleue", f"A-{number}", 2,
        )  # fmt: skip
