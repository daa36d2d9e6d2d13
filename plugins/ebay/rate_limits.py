"""Reads eBay's rate limits, because its 429 (errorId 2001) names no time to wait. Pure.

The document is the answer of ``getRateLimits`` (Developer Analytics), which needs a token of the
application.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from runtime import Authorization, HttpCall
from runtime.answers import LimitInquiry, Signals, bounded, json_number

RATE_LIMITS = HttpCall(
    "GET",
    "/developer/analytics/v1_beta/rate_limit/",
    authorization=Authorization.APPLICATION,
)


@dataclass(frozen=True, slots=True)
class ResourceQuota:
    """One rate of one resource.

    Attributes:
        context: the context of the API, for example ``sell``.
        api: the name of the API, for example ``inventory``.
        resource: a method of that API, or the whole API.
        window: the length of the period, or None if eBay does not tell it.
    """

    context: str
    api: str
    resource: str
    limit: int
    remaining: int
    reset: datetime
    window: timedelta | None


def read_quotas(document: Any) -> Iterator[ResourceQuota]:
    """Yield every rate in the document that can be understood, and pass over the rest."""
    for api in _objects(document, "rateLimits"):
        for resource in _objects(api, "resources"):
            for rate in _objects(resource, "rates"):
                limit, remaining = (
                    json_number(rate.get("limit")),
                    json_number(rate.get("remaining")),
                )
                reset = _time(rate.get("reset"))
                if limit is None or remaining is None or reset is None:
                    continue
                seconds = json_number(rate.get("timeWindow"))
                yield ResourceQuota(
                    str(api.get("apiContext")).lower(),
                    str(api.get("apiName")).lower(),
                    str(resource.get("name")),
                    limit,
                    remaining,
                    reset,
                    # A number that no timedelta can hold must not spoil the other quotas.
                    timedelta(seconds=min(seconds, 10**9)) if seconds else None,
                )


def read_inquiry(document: Any, called: str, now: datetime) -> Signals:
    """Return the quota that the refused call has used up, and the time until its reset.

    The document counts by API. If several quotas of the call's API are used up, the last reset
    decides.

    Args:
        called: the path of the call, for example ``/sell/inventory/v1/offer``.
    """
    context, _, rest = called.strip("/").lower().partition("/")
    api = rest.partition("/")[0]
    used_up = [
        quota
        for quota in read_quotas(document)
        if (quota.context, quota.api) == (context, api) and quota.remaining == 0
    ]
    last = max(used_up, key=lambda quota: quota.reset, default=None)
    # No quota of this API is used up, so the document does not explain the refusal and must not
    # close anything.
    if last is None or last.reset <= now:
        return Signals()
    reason = f"the {last.limit:,} calls of {last.resource} are used up"
    return Signals(refused=True, until=bounded(last.reset, now), reason=reason)


INQUIRY = LimitInquiry(RATE_LIMITS, read_inquiry)


def _objects(holder: Any, name: str) -> Iterator[dict[str, Any]]:
    members = holder.get(name) if isinstance(holder, dict) else None
    for member in members if isinstance(members, list) else ():
        if isinstance(member, dict):
            yield member


def _time(value: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(value)
        return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
