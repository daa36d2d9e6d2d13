"""Lets a handler go on if a call is refused for a reason that it expects."""

from collections.abc import Callable
from types import TracebackType

from runtime.errors.calls import CallRejected


class RejectionSuppressed:
    """Goes on behind the ``with`` statement if a call in it is refused as expected.

        with RejectionSuppressed(is_gone):
            await client.delete(listing_id)
            return True
        return False

    Args:
        is_expected: tells whether a refusal is expected; every other refusal passes through.
    """

    def __init__(self, is_expected: Callable[[CallRejected], bool]) -> None:
        self._is_expected = is_expected

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return isinstance(error, CallRejected) and self._is_expected(error)
