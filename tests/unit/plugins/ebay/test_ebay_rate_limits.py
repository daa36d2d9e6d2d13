"""eBay's rate-limit resource: which quota a refused call has used up, and until when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.ebay.rate_limits import INQUIRY, ResourceQuota, read_inquiry, read_quotas
from runtime.answers.limit_signals import Signals

NOW = datetime(2026, 1, 9, 12, tzinfo=UTC)
CALLED = "/sell/inventory/v1/offer/3/publish"


def rate(remaining: int, reset: str = "2026-01-09T15:00:00.000Z") -> dict[str, Any]:
    return {"count": 0, "limit": 5_000, "remaining": remaining, "reset": reset,
            "timeWindow": 86_400}  # fmt: skip


def document(*rates: dict[str, Any], api: str = "inventory") -> dict[str, Any]:
    resource = {"name": f"sell.{api}", "rates": list(rates)}
    return {
        "rateLimits": [
            {"apiContext": "sell", "apiName": api, "apiVersion": "v1", "resources": [resource]}
        ]
    }


def test_the_document_is_read_as_its_schema_has_it() -> None:
    (quota,) = read_quotas(document(rate(17)))
    assert quota == ResourceQuota(
        "sell", "inventory", "sell.inventory", 5_000, 17, NOW + timedelta(hours=3),
        timedelta(days=1),
    )  # fmt: skip


def test_what_is_used_up_is_closed_until_its_reset() -> None:
    signals = read_inquiry(document(rate(0)), CALLED, NOW)
    assert signals.until == NOW + timedelta(hours=3)
    assert "5,000 calls of sell.inventory are used up" in signals.reason


def test_of_several_the_one_that_is_filled_again_last_counts() -> None:
    rates = (rate(0, "2026-01-09T12:00:05.000Z"), rate(0), rate(0, "2026-01-09T14:00:00Z"))
    assert read_inquiry(document(*rates), CALLED, NOW).until == NOW + timedelta(hours=3)


@pytest.mark.parametrize(
    "answer",
    [
        document(rate(1)),
        document(rate(0), api="fulfillment"),
        document(rate(0, "2026-01-09T11:00:00.000Z")),
        document(rate(0, "yesterday")),
        {"rateLimits": [{"resources": [None, {"rates": 5}]}, 3]},
        None,
        [],
    ],
)
def test_an_answer_in_which_nothing_is_used_up_says_nothing(answer: object) -> None:
    assert read_inquiry(answer, CALLED, NOW) == Signals()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["rateLimits", "resources", "rates", "reset", "remaining", "limit"]
                ),
                inner,
            )
        ),
    )
)
def test_whatever_comes_back_nothing_breaks(answer: object) -> None:
    read_inquiry(answer, CALLED, NOW)


def test_the_inquiry_only_reads() -> None:
    assert not INQUIRY.call.writes
    assert INQUIRY.call.path == "/developer/analytics/v1_beta/rate_limit/"
