"""The branches of one run: the handler, what it gathers, and its steps. Pure."""

from collections.abc import Coroutine
from typing import Any

from runtime.errors import JobCancelled
from runtime.runs.calls import Failure, Outcome, Success
from runtime.runs.failed_steps import failed_steps, note_failed_step
from runtime.runs.steps import StepState


class Fiber:
    """One branch: the handler's own coroutine, one branch of a gather, or a step.

    Attributes:
        group: the group of branches that it belongs to; None for the handler itself.
        index: its number in the group.
        position: its position in the handler, which is the same in every run.
        step: the innermost step that it is part of.
        made: the number of positions that were named below its own.
        told: whether JobCancelled was thrown into it.
    """

    __slots__ = ("coroutine", "group", "index", "made", "position", "step", "told")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        group: "Group | None" = None,
        index: int = 0,
        position: str = "",
        step: StepState | None = None,
    ) -> None:
        self.coroutine = coroutine
        self.group = group
        self.index = index
        self.position = position
        self.step = step
        self.made = 0
        self.told = False

    def next_position(self) -> str:
        """Return a name for the next write or gather of this branch."""
        self.made += 1
        return f"{self.position}{self.made}"

    def advance(self, outcome: Outcome | None, thrown: BaseException | None) -> Any:
        if thrown is not None:
            return self.coroutine.throw(thrown)
        return self.coroutine.send(outcome)


class Group:
    """The branches of one gather, or one step alone, and the branch that waits for them."""

    __slots__ = ("alone", "missing", "outcomes", "parent")

    def __init__(self, parent: Fiber, size: int, *, alone: bool = False) -> None:
        self.parent = parent
        self.outcomes: list[Outcome | None] = [None] * size
        self.missing = size
        self.alone = alone

    def collect(self) -> Outcome:
        """Return the results, or the first failure; a cancellation comes before other failures.

        The first is meant in the order of the branches and not of time, so that the same outcomes
        give the same error in every run.
        """
        if self.alone and self.outcomes[0] is not None:
            return self.outcomes[0]
        failures = [one for one in self.outcomes if isinstance(one, Failure)]
        for failure in failures:
            if isinstance(failure.error, JobCancelled):
                return failure
        if failures:
            # Only one error is raised, but a retry has to do all the failed steps again.
            first = failures[0].error
            for other in failures[1:]:
                for name in failed_steps(other.error):
                    note_failed_step(first, name)
            return failures[0]
        return Success([one.value for one in self.outcomes if isinstance(one, Success)])
