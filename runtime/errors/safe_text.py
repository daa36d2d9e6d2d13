"""Text of unknown origin, made fit for a log line and for a column of PostgreSQL."""

LONGEST_TEXT = 4_000


def storable(text: object) -> str:
    """The text as PostgreSQL takes it; of a long one, the end."""
    return safe_str(text).replace("\0", "\\0")[-LONGEST_TEXT:].encode(errors="replace").decode()


def safe_str(value: object) -> str:
    """``str(value)``, of values too that cannot say what they are."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - anything may stand in somebody else's __str__
        return f"<{type(value).__name__} that cannot be shown>"


def safe_repr(value: object) -> str:
    """``repr(value)``, of values too that cannot say what they are."""
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - anything may stand in somebody else's __repr__
        return f"<{type(value).__name__} that cannot be shown>"
