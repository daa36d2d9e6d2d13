"""Errors in eBay's shape: ``{"errors": [{errorId, domain, category, message, …}]}``."""

from typing import Any

from runtime.sandbox import Answer, Refused

# These are the words of eBay's own catalogue; {} is the place of a parameter.
_INVENTORY = {
    25001: "A system error has occurred. {}",
    25002: "A user error has occurred. {}",
    25003: "Invalid price. {}",
    25004: "Invalid quantity. {}",
    25005: "Invalid category. {}",
    25006: "Invalid listing option. {}",
    25007: "Invalid shipping policy. {}",
    25008: "Invalid payment policy. {}",
    25009: "Invalid return policy. {}",
    25012: "Invalid inventory location. {}",
    25014: "Invalid pictures. {}",
    25016: "The {} value is invalid.",
    25019: "Cannot revise the listing. {}",
    25021: "Invalid item condition information. {}",
    25025: (
        "Concurrent access of the same Inventory or Inventory Item Group object is not allowed. "
        "Please try again later."
    ),
    25401: "Invalid listing options removed. {}",
    25702: "{} could not be found or is not available in the system.",
    25706: "You have provided invalid pagination values. {}.",
    25707: (
        "This is an invalid value for a SKU. Only alphanumeric characters can be used for SKUs, "
        "and their length must not exceed 50 characters"
    ),
    25709: "Invalid value for {}.",
    25710: "We didn't find the resource/entity you are requesting. Please verify the request",
    25713: "This Offer is not available : {}.",
    25730: "The number of offers in the request cannot exceed {}.",
    25731: "OfferId should be unique in the request.",
}
_FULFILLMENT = {
    30700: "Invalid filter name: {}",
    30800: "Invalid filter value {}",
    30810: "Invalid date format",
    30820: "Start date is missing",
    30830: "Time range between start date and end date must be within '2' years.",
    30840: "Start date should be before end date",
    30850: "Start and end dates can't be in the future",
    30900: "Exceeded maximum number of order IDs (the current limit is 50)",
    31000: "Invalid offset: {}",
    31100: "Invalid limit: {}",
    32100: "Invalid order ID: {}",
}
_ACCESS = {
    1100: "Access denied",
    2001: "Too many requests.",
    2002: "Resource not found",
    2003: "Internal error",
    2004: "Invalid request",
}
_OAUTH = {1001: "Invalid access token", 1002: "Missing access token"}
_CATALOGUE = (
    ("API_INVENTORY", _INVENTORY),
    ("API_FULFILLMENT", _FULFILLMENT),
    ("ACCESS", _ACCESS),
    ("OAuth", _OAUTH),
)
# Of these eBay itself is the cause, of all others the request.
_APPLICATION = {25001, 25025, 25401, 2003}


def error(error_id: int, detail: str = "", **parameters: str) -> dict[str, Any]:
    """Return one error or warning, with eBay's words for that id."""
    domain, texts = next(one for one in _CATALOGUE if error_id in one[1])
    message = texts[error_id].format(detail).strip()
    return {
        "errorId": error_id,
        "domain": domain,
        "category": "APPLICATION" if error_id in _APPLICATION else "REQUEST",
        "message": message,
        "longMessage": message if detail in message else f"{message} {detail}",
        "parameters": [{"name": name, "value": value} for name, value in parameters.items()],
    }


def answer(status: int, *errors: dict[str, Any]) -> Answer:
    """Return an answer that holds these errors."""
    return Answer(status, {"errors": list(errors)})


def refused(status: int, error_id: int, detail: str = "", **parameters: str) -> Refused:
    """Return the refusal of a request for one reason."""
    return Refused(answer(status, error(error_id, detail, **parameters)))
