"""Removes the mask that browsers lay over WebSocket frames (RFC 6455, section 5.3). Pure."""


def apply_mask(data: bytes, mask: tuple[int, ...], offset: int) -> bytes:
    """Combine the data with four repeated bytes by exclusive or.

    This is one operation on two big numbers. A loop over the bytes of the largest packets would
    hold up all connections for seconds.

    Args:
        offset: the position of the data's first byte in the frame.
    """
    size = len(data)
    shift = offset % len(mask)
    key = (bytes(mask[shift:] + mask[:shift]) * (size // len(mask) + 1))[:size]
    unmasked = int.from_bytes(data, "little") ^ int.from_bytes(key, "little")
    return unmasked.to_bytes(size, "little")
