"""Crashed anywhere, however often: the same end, and nothing done twice."""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import JobFailed
from runtime.runs.calls import Call, Gather, HttpCall, RunStep, TransactionCall
from runtime.runs.execution import Cancelled, CodeChanged, Failed, Finished, Undecided
from tests.support.examples import examples
from tests.support.handlers.replay_world import (
    ANSWERS,
    ReplayRun,
    World,
    clear_failures,
    through_crashes,
)

KINDS = ["look", "repeatable", "nothing declared", "bare", "several calls"]


@dataclass(frozen=True)
class Write:
    """A write in a step, or bare."""

    kind: str
    answer: str
    settles: int


@dataclass(frozen=True)
class Read:
    answer: str
    step: bool


@dataclass(frozen=True)
class Transaction:
    fails: bool


@dataclass(frozen=True)
class Breaks:
    """A step whose own code raises what is none of this project's errors."""


@dataclass(frozen=True)
class ProgramNode:
    """Parts one after the other, side by side, in a step, or with a net under them."""

    kind: str
    parts: tuple[Any, ...]


def trees() -> st.SearchStrategy[Any]:
    leaf = st.one_of(
        st.builds(
            Write,
            kind=st.sampled_from(KINDS),
            answer=st.sampled_from(ANSWERS),
            settles=st.integers(1, 90),
        ),
        st.builds(Read, answer=st.sampled_from(["ok", "ok", "rejected"]), step=st.booleans()),
        st.builds(Transaction, fails=st.booleans()),
        st.just(Breaks()),
    )
    return st.recursive(
        leaf,
        lambda inner: st.builds(
            ProgramNode,
            kind=st.sampled_from(["sequence", "gather", "try", "step"]),
            parts=st.lists(inner, max_size=4).map(tuple),
        ),
        max_leaves=10,
    )


@dataclass
class Program:
    """A handler that does what a tree says."""

    tree: Any
    world: World
    raises: bool = False

    async def execute(self) -> Any:
        done = await self._run(self.tree, "r")
        if self.raises:
            raise JobFailed("at the end")
        return done

    async def _run(self, node: Any, path: str, inside: bool = False) -> Any:
        match node:
            case Write():
                return await self._write(node, path, inside)
            case Read(answer, step):
                call = self._call("GET", path, answer)
                return await (RunStep(path, lambda: call) if step else call)
            case Transaction(fails):
                return await TransactionCall(path, _store, (path, fails))
            case Breaks():
                return await RunStep(path, _break)
            case ProgramNode("gather", parts):
                return await Gather(
                    *(self._run(one, f"{path}g{i}", inside) for i, one in enumerate(parts))
                )
            case ProgramNode("step", parts):
                return await RunStep(path, lambda: self._sequence(parts, path, True))
            case ProgramNode("try", parts):
                try:
                    return await self._sequence(parts, path, inside)
                except Exception as error:  # noqa: BLE001 - what it is is the result
                    return f"{type(error).__name__}: {error}"
            case ProgramNode(_, parts):
                return await self._sequence(parts, path, inside)

    async def _sequence(self, parts: tuple[Any, ...], path: str, inside: bool) -> list[Any]:
        return [await self._run(one, f"{path}.{i}", inside) for i, one in enumerate(parts)]

    async def _write(self, node: Write, path: str, inside: bool) -> Any:
        call = self._call("POST", path, node.answer, node.settles)
        if node.kind == "bare" and not inside:
            return await call
        if node.kind == "repeatable":
            return await RunStep(path, lambda: _do(call), repeatable=True)
        if node.kind == "look":
            return await RunStep(path, lambda: _do(call), lambda: _look(path))
        if node.kind == "several calls":
            before, after = (self._call("GET", f"{path}{end}", "ok") for end in "<>")
            return await RunStep(path, lambda: _all(before, call, after), lambda: _look(path))
        return await RunStep(path, lambda: _do(call))

    def _call(self, method: str, path: str, answer: str, settles: int = 30) -> HttpCall:
        self.world.answers.setdefault(f"/{path}", answer)
        return HttpCall(method, f"/{path}", settles_within=timedelta(seconds=settles))


async def _do(call: Call) -> Any:
    return await call


async def _all(before: Call, write: Call, after: Call) -> Any:
    await before
    done = await write
    await after
    return done


async def _look(path: str) -> Any:
    return await HttpCall("GET", f"/look/{path}")


async def _break() -> None:
    raise ValueError("broken")


def _store(name: str, fails: bool) -> Any:
    if fails:
        raise JobFailed(f"{name} is full")
    return {"id": f"/{name}"}


def shown(end: Any) -> Any:
    match end:
        case Finished(result):
            return result
        case Failed(error):
            return type(error), str(error)
        case other:
            return other


def has_bare(node: Any) -> bool:
    if isinstance(node, ProgramNode):
        return any(map(has_bare, node.parts))
    return isinstance(node, Write) and node.kind == "bare"


def repeatable_paths(world: World, tree: Any, path: str = "r") -> set[str]:
    if isinstance(tree, ProgramNode):
        mark = "g" if tree.kind == "gather" else "."
        return {
            one
            for i, part in enumerate(tree.parts)
            for one in repeatable_paths(world, part, f"{path}{mark}{i}")
        }
    return {f"/{path}"} if isinstance(tree, Write) and tree.kind == "repeatable" else set()


def check_once(world: World, tree: Any) -> None:
    world.wait_until(world.now + 1_000)  # whatever is under way lands
    may_repeat = repeatable_paths(world, tree)
    twice = {path for path, times in world.effects.items() if times > 1} - may_repeat
    assert not twice, "done twice"
    for step in world.journal.values():
        if step.error is not None and step.error["type"] == "DidNotHappen":
            assert not world.effects[f"/{step.name}"], "said not to have happened, and it did"


orders = st.integers(0, 2**32).map(random.Random)
crash_points = st.lists(st.integers(0, 60), max_size=6)
trees_without_bare = trees().filter(lambda tree: not has_bare(tree))


@examples(400)
@given(tree=trees_without_bare, raises=st.booleans(), order=orders, crashes=crash_points)
def test_crashed_anywhere_a_run_ends_as_it_would_have_uninterrupted(
    tree: Any, raises: bool, order: random.Random, crashes: list[int]
) -> None:
    calm, rough = World(), World()
    calm_end, _ = through_crashes(calm, Program(tree, calm, raises).execute, order, [])
    end, _ = through_crashes(rough, Program(tree, rough, raises).execute, order, crashes)
    assert shown(end) == shown(calm_end)
    check_once(calm, tree)
    check_once(rough, tree)
    if not isinstance(end, Failed):
        assert not [one.name for one in rough.journal.values() if one.is_open]


@examples(400)
@given(tree=trees(), order=orders, crashes=crash_points)
def test_a_write_that_nobody_can_look_up_is_asked_about_and_never_repeated(
    tree: Any, order: random.Random, crashes: list[int]
) -> None:
    world = World()
    for crash in [*crashes, None]:
        end = ReplayRun(world, Program(tree, world).execute, order, crash).to_the_end()
        check_once(world, tree)
        if isinstance(end, Undecided):
            assert end.error is None, "nothing here fails to look"
            assert world.journal[end.step].is_open
            break


@examples(200)
@given(tree=trees_without_bare, order=orders, crashes=crash_points)
def test_whatever_the_attempts_before_a_write_happens_once(
    tree: Any, order: random.Random, crashes: list[int]
) -> None:
    world = World()
    program = Program(tree, world)
    for _ in range(3):
        end, _ = through_crashes(world, program.execute, order, crashes)
        check_once(world, tree)
        if not isinstance(end, Failed):
            assert isinstance(end, Finished), "the same code asks for the same steps"
            break
        clear_failures(world, end)


@examples(400)
@given(tree=trees(), order=orders, after=st.integers(0, 60), data=st.data())
def test_a_cancellation_leaves_no_answered_write_unrecorded(
    tree: Any, order: random.Random, after: int, data: st.DataObject
) -> None:
    world = World()
    run = ReplayRun(world, Program(tree, world).execute, order)
    while run.execution.ended is None and after:
        run.one_stage()
        after -= 1
    run.cancel()
    end = run.to_the_end()
    check_once(world, tree)
    several = {f"{path}" for path in world.answers if path.endswith(("<", ">"))}
    for name in run.answered - {path[1:-1] for path in several} - steps_around(tree):
        assert not world.journal[name].is_open, name
    assert not isinstance(end, CodeChanged)
    assert run.execution.told or not isinstance(end, Cancelled)


def steps_around(node: Any, path: str = "r") -> set[str]:
    """The steps that are made of others: cut short, they have no outcome to record."""
    if not isinstance(node, ProgramNode):
        return set()
    mark = "g" if node.kind == "gather" else "."
    inner = {
        name for i, part in enumerate(node.parts) for name in steps_around(part, f"{path}{mark}{i}")
    }
    return inner | ({path} if node.kind == "step" else set())
