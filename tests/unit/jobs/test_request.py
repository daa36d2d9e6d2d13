"""The fields of a job: listed once, and the same from the caller to the row."""

import inspect
from dataclasses import fields

import pytest

from runtime.jobs.request import CheckedRequest, JobRequest, called_with_fields
from runtime.jobs.service import MarketplaceJobService
from runtime.storage.models import MarketplaceJob

REQUEST = CheckedRequest(
    marketplace="vinted", action_code="sync", user_id=7, shop_id=2, priority=3, max_retries=3,
    input_data={}, action_type_id=5, product_key=None,
)  # fmt: skip


def test_a_job_is_created_with_the_fields_of_a_request() -> None:
    taken = list(inspect.signature(MarketplaceJobService.create_job).parameters.values())
    assert taken[1:] == list(inspect.signature(JobRequest).parameters.values())


def test_who_gave_the_first_fields_by_position_still_may() -> None:
    assert JobRequest("vinted", "publish", 5, 6, 2, {"page": 1}) == JobRequest(
        marketplace="vinted", action_code="publish", product_id=5, batch_job_id=6, priority=2,
        input_data={"page": 1},
    )  # fmt: skip


def test_a_field_that_does_not_exist_is_refused_by_its_name() -> None:
    class Service:
        @called_with_fields(JobRequest)
        def create(self, request: JobRequest) -> JobRequest:
            return request

    assert Service().create("vinted", "sync", shop_id=2).shop_id == 2
    with pytest.raises(TypeError, match="sku"):
        Service().create("vinted", "sync", sku="A-1")  # type: ignore[call-arg]


def test_what_is_asked_for_is_what_the_row_holds_under_the_same_name() -> None:
    columns = set(MarketplaceJob.__table__.columns.keys())
    asked = {field.name for field in fields(CheckedRequest)}
    assert asked - columns == {"action_code", "force"}
    assert REQUEST.row().keys() == (asked & columns) - {"run_at"}
