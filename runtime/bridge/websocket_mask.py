"""The mask that browsers lay over what they send (RFC 6455, section 5.3). Pure."""


def apply_mask(data: bytes, mask: tuple[int, ...], offset: int) -> bytes:
    """Exclusive-or with four bytes that repeat; ``offset`` is where in the frame data begins.

    One operation on two big numbers: a loop over the bytes would hold everybody up for
    seconds where the largest packets are concerned.
    """
    size = len(data)
    turn = offset % len(mask)
    key = (bytes(mask[turn:] + mask[:turn]) * (size // len(mask) + 1))[:size]
    unmasked = int.from_bytes(data, "little") ^ int.from_bytes(key, "little")
    return unmasked.to_bytes(size, "little")
