"""Import paths of the version before go on working, and say which one is right."""

import sys
from importlib import import_module

import pytest

import runtime
from runtime import applications, store
from runtime.former_paths import MOVED, OF_APPLICATIONS

DOCUMENTED = {
    "runtime.config": ("load_settings",),
    "runtime.service": ("MarketplaceJobService",),
    "runtime.storage.conversations": ("upsert_conversation",),
    "runtime.storage.engine": ("open_database",),
    "runtime.storage.listing_changes": (
        "record_listing",
        "link_listing",
        "mark_listing_gone",
        "live_listing",
    ),
    "runtime.storage.orders": ("known_orders", "upsert_orders"),
}
"""The paths and names that the README of 0.1 gave."""


@pytest.mark.parametrize(("former", "today"), MOVED.items())
def test_a_former_path_gives_the_module_of_today(former: str, today: str) -> None:
    sys.modules.pop(former, None)
    with pytest.warns(DeprecationWarning, match=f"{former} is deprecated.*import {today}"):
        assert import_module(former) is import_module(today)


@pytest.mark.parametrize("former", DOCUMENTED)
@pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")
def test_a_former_path_has_the_names_that_were_documented(former: str) -> None:
    found = import_module(former)
    assert found in {applications, store}
    assert set(DOCUMENTED[former]) <= set(found.__all__)


@pytest.mark.parametrize("name", OF_APPLICATIONS)
def test_the_services_are_still_found_in_runtime_itself(name: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"runtime.{name} .*runtime.applications") as told:
        assert getattr(runtime, name) is getattr(applications, name)
    assert told[0].filename == __file__


def test_a_name_that_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named"):
        import_module("runtime.never")
    with pytest.raises(AttributeError, match="module 'runtime' has no attribute 'never'"):
        _ = runtime.never  # type: ignore[attr-defined]
