"""JobRequest lists the fields of a new job once, for the way from the caller to the row."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, fields
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

Fields = ParamSpec("Fields")
Record = TypeVar("Record")
Service = TypeVar("Service")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job as a caller asks for it; a field that is None leaves the choice to the runtime.

    Attributes:
        priority: 1 (critical) to 4 (low); the default is the action type's.
        input_data: a JSON object for the handler.
        user_id: the seller, who may be omitted if ``shop_id`` is given, or if the marketplace
            has exactly one shop.
        shop_id: the shop, which may be omitted if the seller has exactly one shop there.
        run_at: the job starts at this time at the earliest; it needs a time zone.
        idempotency_key: a text that is unique for each seller; a second creation with it returns
            the first job, in whatever state it is.
        max_retries: the number of further attempts; the default is the action type's.
        expires_at: the job expires if it has not started by then; the default is never.
        force: publish although the product is on sale there, or is being published.
    """

    marketplace: str
    action_code: str
    product_id: int | None = None
    batch_job_id: int | None = None
    priority: int | None = None
    input_data: Mapping[str, Any] | None = None
    # The fields before this line may be given by position: they are the arguments of the former
    # create_job, in its order, so that its callers need no change.
    _: KW_ONLY
    user_id: int | None = None
    shop_id: int | None = None
    run_at: datetime | None = None
    idempotency_key: str | None = None
    max_retries: int | None = None
    expires_at: datetime | None = None
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRequest(JobRequest):
    """A request whose fields can be stored, and all of whose open choices are made."""

    user_id: int
    shop_id: int
    priority: int
    max_retries: int
    input_data: dict[str, Any]
    action_type_id: int
    product_key: str | None

    def row(self) -> dict[str, Any]:
        """Return the columns of the job's row; without ``run_at`` the job is due at once."""
        columns = field_values(self)
        # The row has the id of the action type; the force of a request is used up by its check.
        del columns["action_code"], columns["force"]
        # The column's default is the database's own time, which alone decides what is due.
        if self.run_at is None:
            del columns["run_at"]
        return columns


def field_values(request: JobRequest) -> dict[str, Any]:
    """Return the fields by their names."""
    return {field.name: getattr(request, field.name) for field in fields(request)}


def called_with_fields(
    record: Callable[Fields, Record],
) -> Callable[
    [Callable[[Service, Record], Result]], Callable[Concatenate[Service, Fields], Result]
]:
    """Let a method that takes a record be called with the record's fields."""

    def decorate(
        method: Callable[[Service, Record], Result],
    ) -> Callable[Concatenate[Service, Fields], Result]:
        @wraps(method)
        def call(self: Service, /, *given: Fields.args, **named: Fields.kwargs) -> Result:
            return method(self, record(*given, **named))

        # help() and inspect show the fields, as if the method named each of them.
        own, *_ = inspect.signature(method).parameters.values()
        shown = inspect.signature(record)
        call.__signature__ = shown.replace(  # type: ignore[attr-defined]
            parameters=[own, *shown.parameters.values()],
            return_annotation=inspect.signature(method).return_annotation,
        )
        return call

    return decorate
