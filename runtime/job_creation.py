"""Creating one job: checks, the shop that is meant, and the idempotency key."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from runtime.arguments import (
    checked_id,
    checked_moment,
    checked_priority,
    checked_retries,
    checked_text,
    is_storable,
)
from runtime.errors import ActionTypeNotFound, IdempotencyConflict, InvalidJson
from runtime.json_values import checked_json
from runtime.product_choice import chosen_product
from runtime.product_key import product_key
from runtime.shop_choice import chosen_shop
from runtime.storage import action_types, jobs
from runtime.storage.locks import bounded_lock_waits
from runtime.storage.models import MarketplaceActionType, MarketplaceJob


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What a caller asks for; None where the caller leaves it to us."""

    marketplace: str
    action: str
    user_id: int | None = None
    shop_id: int | None = None
    product_id: int | None = None
    batch_job_id: int | None = None
    priority: int | None = None
    input_data: Mapping[str, Any] | None = None
    run_at: datetime | None = None
    idempotency_key: str | None = None
    max_retries: int | None = None
    expires_at: datetime | None = None


def create(session: Session, request: JobRequest) -> MarketplaceJob:
    """Insert the job and announce it, in the caller's transaction.

    Raises:
        InputError: the request cannot be used; nothing was inserted.
    """
    action_type = _action_type(session, request)
    if request.idempotency_key is None:
        job = jobs.insert_job(session, _checked(session, request, action_type))
        assert job is not None  # only a key can be taken
        jobs.announce_job(session, job)
        return job
    return _create_once(session, request, action_type, request.idempotency_key)


def _create_once(
    session: Session, request: JobRequest, action_type: MarketplaceActionType, key: str
) -> MarketplaceJob:
    checked_text(key, "idempotency_key")
    if request.user_id is not None:
        earlier = jobs.job_by_key(session, checked_id(request.user_id, "user_id"), key)
        # Looked up before the shop is chosen: what was unambiguous then may not be any more.
        if earlier is not None:
            return _same(earlier, request, action_type)
    new = _checked(session, request, action_type)
    with bounded_lock_waits(session, f"the idempotency key {key!r}"):
        while True:
            job = jobs.insert_job(session, new)
            if job is not None:
                jobs.announce_job(session, job)
                return job
            earlier = jobs.job_by_key(session, new.user_id, key)
            if earlier is not None:
                return _same(earlier, request, action_type)


def _same(
    job: MarketplaceJob, request: JobRequest, action_type: MarketplaceActionType
) -> MarketplaceJob:
    """The earlier job, where it is what the request asks for."""
    differs = [
        what
        for what, earlier, now in (
            ("action", job.action_type_id, action_type.id),
            ("shop", job.shop_id, request.shop_id or job.shop_id),
            ("product", job.product_id, request.product_id or job.product_id),
        )
        if earlier != now
    ]
    if differs:
        raise IdempotencyConflict(
            f"the key {job.idempotency_key!r} of user {job.user_id} already stands for job "
            f"{job.id}, whose {' and '.join(differs)} is another: use a key of its own for "
            "each job"
        )
    return job


def _action_type(session: Session, request: JobRequest) -> MarketplaceActionType:
    marketplace, action = request.marketplace, request.action
    usable = all(isinstance(name, str) and is_storable(name) for name in (marketplace, action))
    found = action_types.find_action_type(session, marketplace, action) if usable else None
    if found is None:
        known = action_types.action_codes(session, marketplace) if usable else ()
        raise ActionTypeNotFound(marketplace, action, known)
    return found


def _checked(
    session: Session, request: JobRequest, action_type: MarketplaceActionType
) -> jobs.NewJob:
    shop = chosen_shop(session, request.marketplace, request.user_id, request.shop_id)
    priority = action_type.priority if request.priority is None else request.priority
    retries = action_type.max_retries if request.max_retries is None else request.max_retries
    product = chosen_product(
        session, shop.user_id, request.product_id, _checked_input(request.input_data)
    )
    return jobs.NewJob(
        marketplace=request.marketplace,
        action_type_id=action_type.id,
        user_id=shop.user_id,
        shop_id=shop.id,
        product_id=product.id,
        product_key=product_key(product.id, product.input_data),
        batch_job_id=_optional_id(request.batch_job_id, "batch_job_id"),
        priority=checked_priority(priority),
        input_data=product.input_data,
        max_retries=checked_retries(retries),
        run_at=_optional_moment(request.run_at, "run_at"),
        expires_at=_optional_moment(request.expires_at, "expires_at"),
        idempotency_key=request.idempotency_key,
    )


def _checked_input(value: Mapping[str, Any] | None) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidJson(f'input_data must be a JSON object such as {{"page": 1}}, not {value!r}')
    checked: dict[str, Any] = checked_json(dict(value), "input_data")
    return checked


def _optional_id(value: int | None, name: str) -> int | None:
    return None if value is None else checked_id(value, name)


def _optional_moment(value: datetime | None, name: str) -> datetime | None:
    return None if value is None else checked_moment(value, name)
