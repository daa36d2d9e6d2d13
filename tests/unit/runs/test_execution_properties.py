"""Execution, whatever the handler looks like and in whatever order its outcomes come."""

import json
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import CallRejected, JobCancelled
from runtime.runs.calls import (
    BlockingCall,
    Call,
    Failure,
    Gather,
    Outcome,
    RecordStep,
    RunStep,
    Success,
)
from runtime.runs.execution import Cancelled, Execution, Failed, Finished, Perform, Withdraw


@dataclass(frozen=True)
class Leaf:
    """A call, in a step where it has a name."""

    number: int
    step: bool
    writes: bool
    fails: bool
    caught: bool


@dataclass(frozen=True)
class Sequence:
    parts: tuple[Any, ...]


@dataclass(frozen=True)
class Fork:
    branches: tuple[Any, ...]


def trees() -> st.SearchStrategy[Any]:
    leaf = st.builds(
        Leaf,
        number=st.integers(0, 10**9),
        step=st.booleans(),
        writes=st.booleans(),
        fails=st.booleans(),
        caught=st.booleans(),
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(lambda parts: Sequence(tuple(parts)), st.lists(inner, max_size=4)),
            st.builds(lambda parts: Fork(tuple(parts)), st.lists(inner, max_size=4)),
        ),
        max_leaves=12,
    )


@dataclass
class Handler:
    """A handler that does what a tree says, and notes what happens to it."""

    tree: Any
    thrown: Counter[str] = field(default_factory=Counter)
    tidied: Counter[str] = field(default_factory=Counter)
    begun: Counter[str] = field(default_factory=Counter)

    def execute(self) -> Coroutine[Any, Any, Any]:
        return self._branch(self.tree, "root")

    async def _branch(self, node: Any, path: str) -> Any:
        """One branch: notes a cancellation, and makes a call of its own in ``finally``."""
        self.begun[path] += 1
        try:
            return await self._run(node, path)
        except JobCancelled:
            self.thrown[path] += 1
            raise
        finally:
            await BlockingCall(str, ("tidy", path))
            self.tidied[path] += 1

    async def _run(self, node: Any, path: str) -> Any:
        match node:
            case Sequence(parts):
                return [await self._run(part, f"{path}.{i}") for i, part in enumerate(parts)]
            case Fork(branches):
                coroutines = [
                    self._branch(one, f"{path}/{number}") for number, one in enumerate(branches)
                ]
                return await Gather(*coroutines)
            case Leaf():
                return await self._call(node, path)

    async def _call(self, leaf: Leaf, path: str) -> Any:
        call = BlockingCall(repr, (leaf, path))
        try:
            return await (RunStep(path, lambda: call) if leaf.step else call)
        except CallRejected:
            if leaf.caught:
                return "caught"
            raise


def outcome_of(call: Call) -> Outcome:
    """The outcome depends on the call alone, not on the time of its answer."""
    if isinstance(call, RecordStep):
        return Success(json.loads(call.result or "null"))
    assert isinstance(call, BlockingCall)
    leaf, path = call.arguments
    if isinstance(leaf, Leaf) and leaf.fails:
        return Failure(CallRejected(path))
    return Success(f"answer of {path}")


class Owner:
    """Carries out effects, and holds the execution to its promises."""

    def __init__(self, handler: Handler, data: st.DataObject) -> None:
        self.execution = Execution(handler.execute)
        self.data = data
        self.outstanding: dict[int, Call] = {}
        self.answered: list[int] = []
        self.seen: set[int] = set()
        self.take(self.execution.start())

    def __enter__(self) -> "Owner":
        return self

    def __exit__(self, *_: object) -> None:
        """Hypothesis may leave in the middle of a run."""
        self.execution.drop()

    def take(self, effects: list[Any]) -> None:
        for effect in effects:
            if isinstance(effect, Perform):
                assert effect.call_id not in self.seen, "a call id is used once"
                self.seen.add(effect.call_id)
                self.outstanding[effect.call_id] = effect.call
            else:
                assert isinstance(effect, Withdraw)
                del self.outstanding[effect.call_id]
                self.answered.append(effect.call_id)

    def deliver_one(self) -> None:
        call_id = self.data.draw(st.sampled_from(sorted(self.outstanding)))
        call = self.outstanding.pop(call_id)
        self.answered.append(call_id)
        self.take(self.execution.deliver(call_id, outcome_of(call)))

    def deliver_stale(self) -> None:
        """An outcome that comes twice, late, or for nothing."""
        call_id = self.data.draw(st.sampled_from([*self.answered, 10**6]))
        assert self.execution.deliver(call_id, Success("stale")) == []

    def run(self) -> None:
        while self.execution.ended is None:
            assert self.outstanding, "a run that waits, waits for something"
            if self.data.draw(st.booleans(), label="stale outcome"):
                self.deliver_stale()
            self.deliver_one()
        assert not self.outstanding, "nothing is left behind a run that ended"


def end_of(execution: Execution) -> Any:
    match execution.ended:
        case Finished(result):
            return result
        case Failed(error):
            return type(error), str(error)
        case other:
            return other


@settings(deadline=None)
@given(tree=trees(), data=st.data())
def test_the_same_outcomes_give_the_same_end_in_whatever_order_they_come(
    tree: Any, data: st.DataObject
) -> None:
    in_order = Handler(tree)
    execution = Execution(in_order.execute)
    effects = execution.start()
    while effects:
        effect = effects.pop(0)
        assert isinstance(effect, Perform)
        effects += execution.deliver(effect.call_id, outcome_of(effect.call))

    shuffled = Handler(tree)
    with Owner(shuffled, data) as owner:
        owner.run()
    assert end_of(owner.execution) == end_of(execution)
    assert shuffled.tidied == in_order.tidied == shuffled.begun


@settings(deadline=None)
@given(tree=trees(), data=st.data())
def test_a_cancellation_reaches_each_branch_at_most_once_and_every_finally_runs(
    tree: Any, data: st.DataObject
) -> None:
    handler = Handler(tree)
    with Owner(handler, data) as owner:
        while owner.execution.ended is None and data.draw(st.booleans(), label="go on"):
            owner.deliver_one()
        ended_before = owner.execution.ended

        sent = {
            call_id
            for call_id, call in owner.outstanding.items()
            if isinstance(call, RecordStep)
            or (
                isinstance(call, BlockingCall)
                and isinstance(call.arguments[0], Leaf)
                and call.arguments[0].writes
            )
        }
        before = dict(owner.outstanding)
        owner.take(owner.execution.cancel(sent))
        assert sent <= set(owner.outstanding), "what has left is waited for"
        assert not (set(before) - sent) & set(owner.outstanding), "all else is withdrawn"

        owner.run()
        assert all(times == 1 for times in handler.thrown.values())
        if ended_before is not None:
            assert owner.execution.ended == ended_before
            assert not handler.thrown
        elif owner.execution.told:
            assert owner.execution.ended == Cancelled()
        else:
            assert not handler.thrown
            assert not isinstance(owner.execution.ended, Cancelled)


@settings(deadline=None)
@given(tree=trees(), data=st.data())
def test_a_branch_that_is_cancelled_in_its_work_may_still_call_in_finally(
    tree: Any, data: st.DataObject
) -> None:
    handler = Handler(tree)
    with Owner(handler, data) as owner:
        while owner.execution.ended is None and data.draw(st.booleans(), label="go on"):
            owner.deliver_one()
        in_finally = {
            call.arguments[1]
            for call in owner.outstanding.values()
            if isinstance(call, BlockingCall) and call.arguments[0] == "tidy"
        }
        # An outcome under way to the journal is recorded first; the next await may be in a finally.
        in_finally |= {
            call.name for call in owner.outstanding.values() if isinstance(call, RecordStep)
        }
        owner.take(owner.execution.cancel())
        owner.run()
        cut_short = handler.begun - handler.tidied
        # A branch that already was in its ``finally`` is told there; all others come through it.
        assert set(cut_short) <= in_finally | ancestors(in_finally)


def ancestors(paths: set[str]) -> set[str]:
    return {
        path[:index] for path in paths for index, character in enumerate(path) if character in "/."
    }


@settings(deadline=None)
@given(tree=trees(), data=st.data())
def test_into_a_dropped_run_nothing_is_thrown(tree: Any, data: st.DataObject) -> None:
    handler = Handler(tree)
    with Owner(handler, data) as owner:
        while owner.execution.ended is None and data.draw(st.booleans(), label="go on"):
            owner.deliver_one()
        tidied, ended = dict(handler.tidied), owner.execution.ended
        owner.execution.drop()
        for call_id in owner.outstanding:
            assert owner.execution.deliver(call_id, Success(None)) == []
        assert owner.execution.cancel() == []
        owner.execution = Execution(handler.execute)  # nobody holds the dropped one now
        assert dict(handler.tidied) == tidied
        assert not handler.thrown
        assert ended is None or not isinstance(ended, Cancelled)
