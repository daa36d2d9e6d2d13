"""Which listing the ``input_data`` of a job names."""

from typing import Any

import pytest

from runtime import JobFailed
from runtime.store import named_listing

NUMBER = r"0*[1-9][0-9]*"


@pytest.mark.parametrize(("given", "named"), [({}, None), ({"external_id": 7}, "7")])
def test_an_id_is_taken_as_text(given: dict[str, Any], named: str | None) -> None:
    assert named_listing(given, "Depop", NUMBER) == named


@pytest.mark.parametrize("given", [True, 0, -7, 7.0, "x7", "7 ", "", "\u0667", ["7"], {"id": 7}])
def test_what_is_no_id_on_that_marketplace_is_refused(given: Any) -> None:
    with pytest.raises(JobFailed, match="must be the id of a listing on Depop"):
        named_listing({"external_id": given}, "Depop", NUMBER)


@pytest.mark.parametrize("given", [True, 1.5, [], {}])
def test_an_id_is_a_text_or_a_whole_number_on_every_marketplace(given: Any) -> None:
    with pytest.raises(JobFailed):
        named_listing({"external_id": given}, "Depop")
