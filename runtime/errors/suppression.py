"""Refusals that a handler expects."""

from collections.abc import Callable
from types import TracebackType

from runtime.errors.calls import CallRejected


class RejectionSuppressed:
    """Goes on behind the ``with`` statement where a call in it is refused as it may be.

        with RejectionSuppressed(is_gone):
            await client.delete(listing_id)
            return True
        return False

    Args:
        is_expected: whether the refusal is one of those; any other passes through.
    """

    def __init__(self, is_expected: Callable[[CallRejected], bool]) -> None:
        self._is_expected = is_expected

    def __enter__(self) -> None:
        """Nothing is suppressed yet."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return isinstance(error, CallRejected) and self._is_expected(error)
