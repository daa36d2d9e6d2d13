"""Makes text of unknown origin fit for a log line and for a column of PostgreSQL."""

LONGEST_TEXT = 4_000


def storable(text: object) -> str:
    """Return the text as PostgreSQL takes it, and only the end of a long text."""
    # PostgreSQL stores neither NUL nor half of a surrogate pair. The end is worth more than the
    # beginning, because an error's own text comes after the texts of the errors around it.
    return safe_str(text).replace("\0", "\\0")[-LONGEST_TEXT:].encode(errors="replace").decode()


def safe_str(value: object) -> str:
    """Return ``str(value)``, also for values whose ``__str__`` fails."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - anything may stand in somebody else's __str__
        return f"<{type(value).__name__} that cannot be shown>"


def safe_repr(value: object) -> str:
    """Return ``repr(value)``, also for values whose ``__repr__`` fails."""
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - anything may stand in somebody else's __repr__
        return f"<{type(value).__name__} that cannot be shown>"
