"""Makes errors in the three shapes that Etsy has for them."""

from runtime.sandbox import Answer, Refused

Complaint = dict[str, str]


def plain(status: int, message: str) -> Answer:
    """Return ``{"error": message}``, which is the answer of most operations."""
    return Answer(status, {"error": message})


def described(status: int, error: str, description: str) -> Answer:
    """Return ``{"error": …, "error_description": …}``, which tells the problem of a token."""
    return Answer(status, {"error": error, "error_description": description})


def complaint(path: str, message: str, kind: str = "invalid") -> Complaint:
    """Return one entry of an array ``[{path, type, message}]``."""
    return {"path": path, "type": kind, "message": message}


def listed(complaints: list[Complaint]) -> Answer:
    """Return ``[{path, type, message}]``, which tells the problems of an inventory."""
    return Answer(400, complaints)


def refused(status: int, message: str) -> Refused:
    """Return the refusal of a request, in the plain shape."""
    return Refused(plain(status, message))
