"""Creates jobs: checks the request, looks up its key, and withdraws older jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from runtime.errors import ActionTypeNotFound, BatchNotFound, IdempotencyConflict, InvalidJson
from runtime.jobs.product_choice import chosen_product
from runtime.jobs.request import CheckedRequest, JobRequest, field_values
from runtime.jobs.supersession import PUBLISH, refuse_second_publish, withdraw_older
from runtime.shops.choice import chosen_shop
from runtime.storage.models import MarketplaceActionType, MarketplaceJob
from runtime.storage.queue import action_types, batch_rows, job_rows
from runtime.storage.queue import superseded_jobs as storage
from runtime.storage.server.locks import bounded_lock_waits
from runtime.values.arguments import (
    checked_id,
    checked_moment,
    checked_priority,
    checked_retries,
    checked_text,
    is_storable,
)
from runtime.values.json_values import checked_json
from runtime.waiting.product_key import product_key


def create(session: Session, request: JobRequest) -> MarketplaceJob:
    """Insert the job and announce it, in the caller's transaction.

    Older jobs that it makes needless are withdrawn. A known idempotency key wins over
    everything else: the earlier job is returned, in whatever state it is.

    Raises:
        InputError: the request cannot be used; nothing was inserted.
    """
    action_type = known_action_type(session, request.marketplace, request.action_code)
    # The key comes before the choice of the shop: a choice that was unambiguous at the first
    # call may be ambiguous by now, and the same call has to give the same job.
    earlier = _earlier(session, request, action_type, request.user_id)
    if earlier is not None:
        return earlier
    new = _checked(session, request, action_type)
    guarded = _guarded_keys(request, [new])
    # Nobody else can hold a key or a product that this request does not have. So the lock timeout
    # of the caller's transaction need not be replaced and restored, which saves two statements.
    if request.idempotency_key is None and not guarded:
        job = job_rows.insert_job(session, new.row())
        assert job is not None  # only a key can be taken
        return _made(session, request.action_code, [job])[0]
    with bounded_lock_waits(session, _waited_for(new)):
        if guarded:
            storage.lock_products(session, new.shop_id, guarded)
            # The holder of the lock may have used the same key; then its job is the answer, and
            # not an error that the product is being published.
            earlier = _earlier(session, request, action_type, new.user_id)
            if earlier is not None:
                return earlier
            refuse_second_publish(session, new.shop_id, guarded, new.run_at)
        # An insert that gives no row has met a job with the same key. If that job is gone by the
        # time of the look, the insert is tried again.
        while True:
            job = job_rows.insert_job(session, new.row())
            if job is not None:
                return _made(session, request.action_code, [job])[0]
            earlier = _earlier(session, request, action_type, new.user_id)
            if earlier is not None:
                return earlier


def create_for_products(
    session: Session, request: JobRequest, product_ids: Sequence[int]
) -> list[MarketplaceJob]:
    """Insert a job of this request for each product, all of them or none.

    Raises:
        InputError: see :func:`create`.
    """
    action_type = known_action_type(session, request.marketplace, request.action_code)
    # The request is checked once and not for each of up to 10,000 products: only the product
    # differs.
    like = _checked(session, request, action_type)
    new = [
        replace(like, product_id=one, product_key=product_key(one, like.input_data))
        for one in product_ids
    ]
    guarded = _guarded_keys(request, new)
    if guarded:
        with bounded_lock_waits(session, f"a product of shop {like.shop_id}"):
            storage.lock_products(session, like.shop_id, guarded)
            refuse_second_publish(session, like.shop_id, guarded, like.run_at)
    return _made(
        session, request.action_code, job_rows.insert_jobs(session, [one.row() for one in new])
    )


def _made(session: Session, action: str, made: list[MarketplaceJob]) -> list[MarketplaceJob]:
    """Withdraw older jobs that the new jobs of a shop make needless, and announce the new ones."""
    withdraw_older(session, action, made)
    # A new job opens its batch again, in the same transaction.
    if made[0].batch_job_id is not None:
        batch_rows.lock_open(session, made[0].batch_job_id)
    # One announcement serves all jobs: they have the same shop, priority and time, and a
    # notification only tells the service that this lane is worth a look.
    job_rows.announce_job(session, made[0])
    return made


def _guarded_keys(request: JobRequest, new: Sequence[CheckedRequest]) -> list[str]:
    """Return the products that must not be published twice."""
    # Only a second publish makes a second listing. An update or a delete may come twice.
    if request.action_code != PUBLISH or request.force:
        return []
    return [one.product_key for one in new if one.product_key is not None]


def _waited_for(new: CheckedRequest) -> str:
    if new.idempotency_key is not None:
        return f"the idempotency key {new.idempotency_key!r}"
    return f"the product {new.product_key} of shop {new.shop_id}"


def _earlier(
    session: Session,
    request: JobRequest,
    action_type: MarketplaceActionType,
    user_id: int | None,
) -> MarketplaceJob | None:
    """Return the job that the request's idempotency key stands for."""
    if request.idempotency_key is None:
        return None
    key = checked_text(request.idempotency_key, "idempotency_key")
    # Keys belong to a seller. Where the seller follows from the shop, there is a second look later.
    if user_id is None:
        return None
    job = job_rows.job_by_key(session, checked_id(user_id, "user_id"), key)
    return None if job is None else _same(job, request, action_type)


def _same(
    job: MarketplaceJob, request: JobRequest, action_type: MarketplaceActionType
) -> MarketplaceJob:
    """Return the earlier job, if it is the one that the request asks for."""
    differs = [
        what
        for what, earlier, now in (
            ("action", job.action_type_id, action_type.id),
            # A field that the request leaves open was chosen at the first call, and differs from
            # nothing.
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


def known_action_type(session: Session, marketplace: str, action: str) -> MarketplaceActionType:
    """Return the action type of a pair.

    Raises:
        ActionTypeNotFound
    """
    usable = all(isinstance(name, str) and is_storable(name) for name in (marketplace, action))
    found = action_types.find_action_type(session, marketplace, action) if usable else None
    # Texts that PostgreSQL cannot hold, such as one with a NUL, name no action type either.
    if found is None:
        known = action_types.action_codes(session, marketplace) if usable else ()
        raise ActionTypeNotFound(marketplace, action, known)
    return found


def _checked(
    session: Session, request: JobRequest, action_type: MarketplaceActionType
) -> CheckedRequest:
    shop = chosen_shop(session, request.marketplace, request.user_id, request.shop_id)
    priority = action_type.priority if request.priority is None else request.priority
    retries = action_type.max_retries if request.max_retries is None else request.max_retries
    product = chosen_product(
        session, shop.user_id, request.product_id, checked_input(request.input_data)
    )
    settled = {
        "action_type_id": action_type.id,
        "user_id": shop.user_id,
        "shop_id": shop.id,
        "product_id": product.id,
        "product_key": product_key(product.id, product.input_data),
        "batch_job_id": _checked_batch(session, request.batch_job_id),
        "priority": checked_priority(priority),
        "input_data": product.input_data,
        "max_retries": checked_retries(retries),
        "run_at": _optional_moment(request.run_at, "run_at"),
        "expires_at": _optional_moment(request.expires_at, "expires_at"),
    }
    return CheckedRequest(**field_values(request) | settled)


def _checked_batch(session: Session, batch_id: int | None) -> int | None:
    if batch_id is not None and batch_rows.batch_by_id(
        session, checked_id(batch_id, "batch_job_id")
    ):
        return batch_id
    if batch_id is not None:
        raise BatchNotFound(batch_id)
    return None


def checked_input(value: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the input as it is stored.

    Raises:
        InvalidJson: not a JSON object.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidJson(f'input_data must be a JSON object such as {{"page": 1}}, not {value!r}')
    checked: dict[str, Any] = checked_json(dict(value), "input_data")
    return checked


def _optional_moment(value: datetime | None, name: str) -> datetime | None:
    return None if value is None else checked_moment(value, name)
