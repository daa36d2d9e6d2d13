"""A refusal that is expected ends a block of code; any other error passes through."""

import pytest

from runtime import CallRejected, RejectionSuppressed


def _is_gone(error: CallRejected) -> bool:
    return error.status == 404


def _delete(error: Exception | None) -> bool:
    with RejectionSuppressed(_is_gone):
        if error is not None:
            raise error
        return True
    return False


def test_an_expected_refusal_goes_on_behind_the_block() -> None:
    assert _delete(None)
    assert not _delete(CallRejected("gone", status=404))


@pytest.mark.parametrize("error", [CallRejected("no", status=403), ValueError("404")])
def test_any_other_error_passes_through(error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        _delete(error)
    assert raised.value is error
