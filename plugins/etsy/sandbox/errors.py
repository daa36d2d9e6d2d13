"""Makes errors in the three shapes that Etsy has for them."""

from runtime.sandbox import Answer, Refused

Complaint = dict[str, str]


def plain(status: int, message: str) -> Answer:
    """``{"error": message}``: what most operations answer."""
    return Answer(status, {"error": message})


def described(status: int, error: str, description: str) -> Answer:
    """``{"error": …, "error_description": …}``: what is wrong with tokens."""
    return Answer(status, {"error": error, "error_description": description})


def complaint(path: str, message: str, kind: str = "invalid") -> Complaint:
    """One of an array ``[{path, type, message}]``."""
    return {"path": path, "type": kind, "message": message}


def listed(complaints: list[Complaint]) -> Answer:
    """``[{path, type, message}]``: what is wrong with an inventory."""
    return Answer(400, complaints)


def refused(status: int, message: str) -> Refused:
    """The refusal of a request, in the plain shape."""
    return Refused(plain(status, message))
