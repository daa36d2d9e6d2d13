"""However each command ends, and wherever the process dies: everything happens once."""

from collections import deque
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from plugins.vinted.delete import DeleteVinted
from plugins.vinted.message import MessageVinted
from plugins.vinted.publish import PublishVinted
from plugins.vinted.sandbox import Wardrobe, example_conversation
from plugins.vinted.update import UpdateVinted
from runtime.handlers.job_handler import BaseJobHandler
from runtime.runs.execution import Finished
from tests.support.examples import examples
from tests.support.handlers.handler_harness import make_job
from tests.support.marketplaces.vinted_world import ANSWERS, JobInWorld, World, to_the_end

TALK = example_conversation(1)["id"]
answers = st.lists(st.sampled_from(ANSWERS), max_size=5).map(deque)
crashes = st.lists(st.integers(0, 14), max_size=6)


def product(sku: str, title: str = "Robe") -> dict[str, Any]:
    return {
        "sku": sku, "title": title, "description": "Bleue", "price": "12.50",
        "images": ["https://img.example/1.jpg"],
    }  # fmt: skip


def job(handler: type[BaseJobHandler], number: int = 1, **changes: Any) -> JobInWorld:
    """A job of this handler."""
    made = replace(make_job(handler.__name__.removesuffix("Vinted").lower(), **changes), id=number)
    return JobInWorld(handler, made)


def result(one: JobInWorld) -> dict[str, Any]:
    """Return the result of a job that must be finished."""
    assert isinstance(one.end, Finished)
    assert isinstance(one.end.result, dict)
    return one.end.result


@given(answers, crashes, st.booleans(), st.integers(0, 120))
@examples(150)
def test_a_product_is_on_sale_once(
    answers: deque[str], crashes: list[int], forgetful: bool, others: int
) -> None:
    world = World(Wardrobe.of(others, shop_id="123"), answers)
    world.extension.faults.forgetful = forgetful
    jobs = [
        job(PublishVinted, number, product=product(f"A-{number}", f"Robe {number}"))
        for number in (1, 2)
    ]
    to_the_end(world, jobs, crashes)
    world.wait_until(10**6)
    assert sorted(world.wardrobe.titles())[others:] == ["Robe 1", "Robe 2"]
    for one in jobs:
        item = world.wardrobe.find(result(one)["external_id"])
        assert item is not None
        assert one.job.product is not None
        assert item["title"] == one.job.product["title"]
        assert one.questions == 0


@given(answers, crashes)
@examples(150)
def test_products_that_look_the_same_are_on_sale_once_each(
    answers: deque[str], crashes: list[int]
) -> None:
    world = World(Wardrobe.of(3, shop_id="123"), answers)
    jobs = [job(PublishVinted, number, product=product(f"A-{number}")) for number in (1, 2, 3)]
    to_the_end(world, jobs, crashes)
    world.wait_until(10**6)
    assert world.wardrobe.titles().count("Robe") == 3
    sold = [world.wardrobe.find(result(one)["external_id"]) for one in jobs]
    assert [one and one["reference"][:6] for one in sold] == [
        "job-1-", "job-2-", "job-3-",
    ]  # fmt: skip


@given(answers, crashes)
@examples(150)
def test_even_where_the_plugin_knows_no_references(answers: deque[str], crashes: list[int]) -> None:
    world = World(Wardrobe.of(3, shop_id="123"), answers)
    world.extension.faults.forgetful = True
    jobs = [job(PublishVinted, number, product=product(f"A-{number}")) for number in (1, 2, 3)]
    to_the_end(world, jobs, crashes)
    world.wait_until(10**6)
    assert world.wardrobe.titles().count("Robe") == 3
    assert len({result(one)["external_id"] for one in jobs}) == 3


@given(answers, crashes, st.booleans())
@examples(100)
def test_a_reply_is_said_once(answers: deque[str], crashes: list[int], forgetful: bool) -> None:
    world = World(Wardrobe(shop_id="123"), answers)
    world.extension.faults.forgetful = forgetful
    world.wardrobe.open_conversation(example_conversation(1))
    jobs = [
        job(MessageVinted, number, input_data={"conversation_id": TALK, "text": f"Yes {number}."})
        for number in (1, 2)
    ]
    to_the_end(world, jobs, crashes)
    world.wait_until(10**6)
    talk = world.wardrobe.conversation(TALK)
    assert talk is not None
    said = [one["text"] for one in talk["messages"]][1:]
    assert sorted(said) == ["Yes 1.", "Yes 2."]
    for one, text in zip(jobs, ("Yes 1.", "Yes 2."), strict=True):
        assert result(one)["message"]["text"] == text


@given(answers, crashes)
@examples(100)
def test_what_is_named_is_changed_and_then_gone(answers: deque[str], crashes: list[int]) -> None:
    wardrobe = Wardrobe.of(3, shop_id="123")
    item = wardrobe.items()[1]["id"]
    world = World(wardrobe, answers)
    update = job(UpdateVinted, product=product("A-1"), input_data={"external_id": item})
    to_the_end(world, [update], crashes)
    assert isinstance(update.end, Finished)
    changed = wardrobe.find(item)
    assert changed is not None
    assert changed["title"] == "Robe"
    delete = job(DeleteVinted, 2, input_data={"external_id": item})
    to_the_end(world, [delete], crashes)
    assert isinstance(delete.end, Finished)
    assert (wardrobe.find(item), len(wardrobe.items())) == (None, 2)
