"""Which listings a job is about."""

from typing import Any

from runtime import BaseJobHandler, JobFailed, store

WAY_OUT = "sync the shop and link the listing to it (link_product)"


async def target_listings(handler: BaseJobHandler) -> list[str]:
    """See :func:`runtime.store.target_listings`."""
    return await store.target_listings(handler, named_listing(handler.job.input_data), WAY_OUT)


def named_listing(input_data: dict[str, Any]) -> str | None:
    """The listing that a job's ``input_data`` names.

    Raises:
        JobFailed: it is no id.
    """
    given = input_data.get("external_id")
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, str | int) or not str(given).isalnum():
        raise JobFailed(f"external_id must be the id of a listing on Vinted, not {given!r}")
    return str(given)
