"""The fast mask against the definition."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.bridge.websocket_mask import apply_mask

BYTE = st.integers(0, 255)


@given(st.binary(max_size=300), st.tuples(BYTE, BYTE, BYTE, BYTE), st.integers(0, 2**40))
def test_it_is_exclusive_or_with_the_repeated_mask(
    data: bytes, mask: tuple[int, ...], offset: int
) -> None:
    expected = bytes(byte ^ mask[(offset + at) % 4] for at, byte in enumerate(data))
    assert apply_mask(data, mask, offset) == expected
