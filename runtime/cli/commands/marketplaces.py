"""The commands marketplaces list, pause and resume."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer
from sqlalchemy.orm import Session

from runtime.cli.closure_output import print_closed, print_opened
from runtime.cli.context import Plugins, command_session
from runtime.cli.moments import parse_end
from runtime.cli.options import AsJson, For, MarketplaceName, Reason, Until
from runtime.cli.output import print_json, print_table
from runtime.handlers.registry import Registry, marketplace_of
from runtime.jobs.service import MarketplaceJobService
from runtime.jobs.views import closure_view
from runtime.rate_limits.closures import Closure, in_words
from runtime.runs.job_states import JobStatus
from runtime.storage.models import RuntimeNode
from runtime.storage.nodes.liveness import living_nodes
from runtime.storage.queue.action_types import known_marketplaces
from runtime.storage.queue.closure_rows import closures_of
from runtime.storage.queue.statistics import count_by_marketplace

COUNTED = (JobStatus.PENDING, JobStatus.RUNNING)

app = typer.Typer(help="Marketplaces.")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the marketplaces with their handlers, jobs and closures."""
    with command_session() as session:
        registry = Plugins().registry
        closed = closures_of(session)
        counts = {status: count_by_marketplace(session, status) for status in COUNTED}
        nodes = living_nodes(session)
        views = [
            _view(name, registry, closed, counts, nodes)
            # A marketplace may be known by its jobs alone, after its plugin was removed, or by its
            # plugin alone, before a service started.
            for name in sorted({*known_marketplaces(session), *registry.marketplaces})
        ]
    if as_json:
        print_json(views)
        return
    print_table(
        ("marketplace", "handlers", "pending", "running", "closed shops", "closed"),
        [
            (
                view["marketplace"],
                " ".join(view["handlers"]) or None,
                *(view[status.value] for status in COUNTED),
                view["closed_shops"],
                "; ".join(_whole(view, closed)) or None,
            )
            for view in views
        ],
    )


@app.command()
def pause(
    name: MarketplaceName,
    reason: Reason = None,
    until: Until = None,
    for_: For = None,
    as_json: AsJson = False,
) -> None:
    """Start no further jobs on a marketplace, and let those that run send nothing more."""
    end = parse_end(until, for_)
    with command_session() as session:
        _introduce(session, name)
        closed = MarketplaceJobService(session).pause_marketplace(name, reason, until=end)
        session.commit()
        print_closed(closed, as_json)


@app.command()
def resume(name: MarketplaceName, as_json: AsJson = False) -> None:
    """Open a marketplace and its app key; shops that are closed themselves stay so."""
    with command_session() as session:
        _introduce(session, name)
        opened = MarketplaceJobService(session).resume_marketplace(name)
        session.commit()
        print_opened(name, opened, as_json)


def _introduce(session: Session, name: str) -> None:
    # The plugin may have been installed since a service last started.
    if name not in known_marketplaces(session):
        Plugins().introduce(session)


def _view(
    name: str,
    registry: Registry,
    closed: Sequence[Closure],
    counts: Mapping[JobStatus, Mapping[str, int]],
    nodes: Sequence[RuntimeNode],
) -> dict[str, Any]:
    shops = {one.scope.shop_id for one in closed if one.scope.marketplace == name}
    return {
        "marketplace": name,
        "browser_bound": registry.lanes_of(name).needs_seller,
        "handlers": sorted(key for key in registry.handlers if marketplace_of(key) == name),
        **{status.value: counts[status].get(name, 0) for status in COUNTED},
        "closed_shops": len(shops - {None}),
        "closures": [closure_view(one) for one in closed if _is_of(one, name)],
        "down": [
            {"node": node.id, "reason": node.down[name]} for node in nodes if name in node.down
        ],
    }


def _whole(view: Mapping[str, Any], closed: Sequence[Closure]) -> Iterator[str]:
    """Say in words what keeps all jobs of the marketplace from running."""
    for one in view["down"]:
        yield f"down on node {one['node']}: {one['reason']}"
    yield from (in_words(one) for one in closed if _is_of(one, view["marketplace"]))


def _is_of(closure: Closure, marketplace: str) -> bool:
    """Return whether it closes the marketplace as a whole."""
    return closure.scope.marketplace == marketplace and closure.scope.shop_id is None
