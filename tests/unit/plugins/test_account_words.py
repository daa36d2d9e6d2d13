"""The built-in plugins tell the runtime their marketplaces' own words and headers."""

from datetime import UTC, datetime, timedelta

import pytest

from plugins.etsy.marketplace import etsy
from plugins.vinted.marketplace import vinted
from runtime import Limit, Marketplace
from runtime.answers.limit_signals import Announced
from runtime.errors import CallRejected
from runtime.rate_limits.closures import ClosureKind
from runtime.runs.account_trouble import account_trouble
from runtime.runs.answer import Answer

NOW = datetime(2026, 1, 9, 12, tzinfo=UTC)


def test_etsy_announces_its_limits_in_headers_of_its_own() -> None:
    headers = {
        "x-limit-per-second": "10",
        "x-remaining-this-second": "9",
        "x-limit-per-day": "10000",
        "x-remaining-today": "9321",
    }
    signals = etsy().read_commonly(Answer(200, headers, good=True), NOW)
    assert signals.limits == (
        Announced(Limit(10, timedelta(seconds=1)), 9),
        Announced(Limit(10_000, timedelta(days=1)), 9_321),
    )


@pytest.mark.parametrize(
    ("marketplace", "error"),
    [
        (etsy(), CallRejected("answered 403: <script src=DataDome>", status=403)),
        (vinted(), CallRejected("answered 403: <script src=DataDome>", status=403)),
        *((vinted(), CallRejected("no", error_code=code))
          for code in ("not_logged_in", "session_ended", "session_expired", "logged_out")),
    ],
)  # fmt: skip
def test_what_only_one_marketplace_says_closes_its_shop(
    marketplace: Marketplace, error: CallRejected
) -> None:
    trouble = account_trouble(
        error, marketplace.name, 3,
        browser_bound=marketplace.browser_bound, words=marketplace.account_words,
    )  # fmt: skip
    assert trouble is not None
    assert trouble.kind is ClosureKind.NEEDS_USER
