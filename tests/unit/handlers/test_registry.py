"""The registry: each entry point is loaded, or listed with its reason; none stops the service."""

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path

import pytest

from runtime import BaseJobHandler, Marketplace
from runtime.errors import UnknownHandler
from runtime.handlers.registry import (
    ENTRY_POINT_GROUP,
    Registry,
    action_of,
    load_registry,
    marketplace_of,
)

HANDLER = """
from runtime import BaseJobHandler, Marketplace, hookimpl

class Ping(BaseJobHandler):
    async def execute(self, job):
        return {}
"""

GOOD = (
    HANDLER
    + """
@hookimpl
def job_handler():
    return Ping
"""
)

DESCRIBED = (
    GOOD
    + """
@hookimpl
def marketplace():
    return Marketplace(name="example", concurrency=3)
"""
)

Install = Callable[..., list[EntryPoint]]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution: ``key=source`` for each of its modules."""
    loaded = set(sys.modules)

    def install(distribution: str = "outside", **sources: str) -> list[EntryPoint]:
        site = tmp_path / distribution
        about = site / f"{distribution}-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Name: {distribution}\nVersion: 1.0\n")
        lines = [f"[{ENTRY_POINT_GROUP}]"]
        for key, source in sources.items():
            module = f"{distribution}_{key.lower()}"
            (site / f"{module}.py").write_text(source)
            lines.append(f"{key} = {module}")
        (about / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(site)
        return [
            point
            for found in Distribution.discover(path=[str(site)])
            for point in found.entry_points
        ]

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield install
    for name in set(sys.modules) - loaded:
        if name.startswith(("outside_", "other_")):
            del sys.modules[name]


def reason(registry: Registry, key: str) -> str:
    (record,) = [one for one in registry.records if one.key == key]
    assert record.status == "failed"
    assert key not in registry.handlers
    assert record.reason
    return record.reason


def test_a_handler_is_loaded_under_the_name_of_its_entry_point(install: Install) -> None:
    registry = load_registry(install(ping_example=GOOD))
    (record,) = registry.records
    assert (record.key, record.status, record.distribution, record.reason) == (
        "ping_example", "loaded", "outside 1.0", None,
    )  # fmt: skip
    handler = registry.handler_class("ping_example")
    assert issubclass(handler, BaseJobHandler)
    assert handler.__name__ == "Ping"


def test_a_marketplace_that_nobody_describes_has_a_plain_record(install: Install) -> None:
    registry = load_registry(install(ping_example=GOOD))
    assert registry.marketplaces == {"example": Marketplace("example")}


def test_one_module_describes_the_marketplace_for_all(install: Install) -> None:
    registry = load_registry(install(ping_example=GOOD, pong_example=DESCRIBED))
    assert registry.marketplaces == {"example": Marketplace("example", concurrency=3)}
    assert sorted(registry.handlers) == ["ping_example", "pong_example"]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import not_installed_anywhere", "ModuleNotFoundError: No module named 'not_installed"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def (", "SyntaxError"),
        ("raise SystemExit('needs Python 9')", "SystemExit: needs Python 9"),
        (HANDLER, "has no hook: decorate a function `job_handler`"),
        (GOOD.replace("@hookimpl", ""), "has no hook"),
        (GOOD.replace("def job_handler", "def job_handlr"), "job_handlr"),
        (GOOD.replace("return Ping", "return Ping(None)"), "AttributeError"),
        (GOOD.replace("return Ping", "return dict"), "no BaseJobHandler class"),
        (GOOD.replace("return Ping", "return 'Ping'"), "no BaseJobHandler class"),
        (GOOD.replace("return Ping", "raise OSError('disk')"), "OSError: disk"),
        (DESCRIBED.replace("example", "sample"), "not the record of 'example'"),
        (DESCRIBED.replace("return Marketplace", "return dict"), "not the record of 'example'"),
        (DESCRIBED.replace("def marketplace()", "def marketplace(config)"), "config"),
    ],
    ids=[
        "import error", "error at import", "syntax error", "exit at import", "no hook",
        "not decorated", "misspelt hook", "hook breaks", "wrong class", "no class",
        "hook raises", "wrong marketplace", "no marketplace", "wrong arguments",
    ],
)  # fmt: skip
def test_a_plugin_that_cannot_be_used_is_listed_with_its_reason(
    install: Install, source: str, says: str
) -> None:
    registry = load_registry(install(ping_example=source, pong_other=GOOD))
    assert says in reason(registry, "ping_example")
    assert list(registry.handlers) == ["pong_other"], "the others are not harmed"


def test_a_plugin_that_cannot_be_used_describes_no_marketplace(install: Install) -> None:
    registry = load_registry(install(ping_example=DESCRIBED.replace("return Ping", "return 1")))
    assert registry.marketplaces == {}


@pytest.mark.parametrize("key", ["ping", "Ping_example", "_example", "ping_", "ping_2nd", "ping-x"])
def test_a_key_is_an_action_and_a_marketplace(install: Install, key: str) -> None:
    registry = load_registry(install(**{key: GOOD}))
    assert "<action>_<marketplace>" in reason(registry, key)


def test_a_key_that_two_distributions_claim_belongs_to_neither(install: Install) -> None:
    points = [
        *install(ping_example=GOOD, pong_example=DESCRIBED),
        *install("other", ping_example=GOOD),
    ]
    registry = load_registry(points)
    claims = [one for one in registry.records if one.key == "ping_example"]
    assert {one.distribution for one in claims} == {"outside 1.0", "other 1.0"}
    assert all(one.status == "failed" and "claim the key" in str(one.reason) for one in claims)
    assert list(registry.handlers) == ["pong_example"]


def test_a_distribution_that_is_found_twice_claims_its_key_once(install: Install) -> None:
    points = install(ping_example=GOOD)
    registry = load_registry([*points, *points])
    assert [one.status for one in registry.records] == ["loaded"]


def test_an_interrupt_while_plugins_load_is_not_a_plugins_failure(install: Install) -> None:
    points = install(ping_example="raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_registry(points)


def test_an_unknown_handler_is_named_with_the_reason_why_it_could_not_be_used(
    install: Install,
) -> None:
    registry = load_registry(install(ping_example="1 / 0"))
    with pytest.raises(UnknownHandler, match="Unknown action: ping_example; ZeroDivisionError"):
        registry.handler_class("ping_example")
    with pytest.raises(UnknownHandler, match="Unknown action: fly_example; no installed handler"):
        registry.handler_class("fly_example")


def test_what_is_installed_is_found_and_the_built_ins_come_the_same_way(install: Install) -> None:
    install(ping_example=GOOD)
    registry = load_registry()
    keys = [one.key for one in registry.records]
    assert {"ping_example", "sync_vinted"} <= set(keys)
    assert keys == sorted(keys)
    assert registry.handlers["sync_vinted"].__module__ == "plugins.vinted.sync"
    assert registry.marketplaces["vinted"].browser_bound


def test_an_action_may_have_underscores_and_a_marketplace_has_none(install: Install) -> None:
    registry = load_registry(install(sync_orders_ebay=GOOD))
    assert list(registry.marketplaces) == ["ebay"]
    assert (action_of("sync_orders_ebay"), marketplace_of("sync_orders_ebay")) == (
        "sync_orders", "ebay",
    )  # fmt: skip


def test_a_marketplace_whose_record_cannot_be_loaded_is_out_of_service(install: Install) -> None:
    points = install(ping_example=GOOD, pong_example="raise ValueError('no key')", hop_other=GOOD)
    registry = load_registry(points)
    assert list(registry.handlers) == ["hop_other"], "the others are not harmed"
    assert list(registry.marketplaces) == ["other"], "nobody claims the jobs of the other one"
    assert "out of service" in reason(registry, "ping_example")
    assert "pong_example of outside 1.0" in reason(registry, "ping_example")
    assert "no key" in reason(registry, "pong_example")


def test_a_handler_that_cannot_be_loaded_harms_no_marketplace_whose_record_is_known(
    install: Install,
) -> None:
    registry = load_registry(install(ping_example=DESCRIBED, pong_example="1 / 0"))
    assert list(registry.handlers) == ["ping_example"]
    assert registry.marketplaces == {"example": Marketplace("example", concurrency=3)}


def test_a_second_package_cannot_replace_the_record_of_a_built_in_marketplace(
    install: Install,
) -> None:
    stranger = DESCRIBED.replace(
        'name="example", concurrency=3', 'name="ebay", base_url="http://127.0.0.1:9/x"'
    )
    install(aaa_ebay=stranger)
    registry = load_registry()
    assert "one owner" in reason(registry, "aaa_ebay")
    assert "marketplace-runtime and outside" in reason(registry, "aaa_ebay")
    ours = registry.marketplaces["ebay"]
    assert ours.auth is not None
    assert ours.base_url != "http://127.0.0.1:9/x"
    assert "publish_ebay" in registry.handlers


def test_of_two_strange_packages_with_one_marketplace_neither_is_believed(
    install: Install,
) -> None:
    points = [*install(ping_example=DESCRIBED), *install("other", pong_example=DESCRIBED)]
    registry = load_registry(points)
    assert "other and outside" in reason(registry, "ping_example")
    assert "other and outside" in reason(registry, "pong_example")
    assert registry.marketplaces == {}


@pytest.mark.parametrize(
    ("execute", "says"),
    [
        ("def execute(self, job):\n        return {}", "define it with `async def execute"),
        ("async def execute(self, job):\n        yield 1", "without `yield`"),
        ("async def execute(self):\n        return {}", "does not take (self, job)"),
        ("async def execute(self, job, more):\n        return {}", "does not take (self, job)"),
    ],
    ids=["synchronous", "generator", "no job", "too much"],
)
def test_a_handler_whose_execute_cannot_be_run_is_refused(
    install: Install, execute: str, says: str
) -> None:
    source = DESCRIBED.replace("async def execute(self, job):\n        return {}", execute)
    registry = load_registry(install(ping_example=source, pong_other=GOOD))
    assert says in reason(registry, "ping_example")
    assert list(registry.handlers) == ["pong_other"]


def test_a_wrong_record_is_refused_with_each_of_its_faults(install: Install) -> None:
    source = DESCRIBED.replace("concurrency=3", "concurrency=0, action_types=['x'], budgets={}")
    registry = load_registry(install(ping_example=source, pong_other=GOOD))
    says = reason(registry, "ping_example")
    for fault in ("concurrency must be", "action_types must be", "budgets must be"):
        assert fault in says
    assert registry.action_types.keys() == {("other", "pong")}
