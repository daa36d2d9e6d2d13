"""The application's daily limits of calls, and the operation that tells what is left of them."""

from collections.abc import Callable
from datetime import datetime, timedelta

from plugins.ebay.sandbox.state import Record, moment
from runtime.sandbox import Answer, Call, Quota

DAY = timedelta(days=1)


class ApiQuotas:
    """The application's quotas, one for each API.

    Attributes:
        quotas: by the API's name; ``quotas["inventory"].limit`` may be changed at any time.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.quotas = {
            # A day of eBay begins anew for all calls at once, unlike one of Etsy.
            "inventory": Quota(2_000_000, DAY, now, rolling=False),
            "fulfillment": Quota(100_000, DAY, now, rolling=False),
            "account": Quota(25_000, DAY, now, rolling=False),
        }

    def take(self, path: str) -> bool:
        """Count a call; returns False if its API has no room."""
        for name, quota in self.quotas.items():
            if path.startswith(f"/sell/{name}/"):
                return quota.take()
        return True

    def get(self, call: Call) -> Answer:
        """getRateLimits: of the APIs that the query names, or of all; 204 where there is none."""
        query = dict(call.request.query_pairs())
        found = [
            _described(name, quota)
            for name, quota in self.quotas.items()
            if query.get("api_name", name).lower() == name
            and query.get("api_context", "sell").lower() == "sell"
        ]
        return Answer(200, {"rateLimits": found}) if found else Answer(204)


def _described(name: str, quota: Quota) -> Record:
    rate = {
        "count": quota.count,
        "limit": quota.limit,
        "remaining": quota.remaining,
        "reset": moment(quota.reset),
        "timeWindow": int(quota.window.total_seconds()),
    }
    resource = {"name": f"sell.{name}", "rates": [rate]}
    return {"apiContext": "sell", "apiName": name, "apiVersion": "v1", "resources": [resource]}
