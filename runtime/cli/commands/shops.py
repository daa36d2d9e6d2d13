"""The commands shops add, list, pause and resume."""

from typing import Annotated

import typer

from runtime.cli.closure_output import print_closed, print_opened
from runtime.cli.commands.shop_connections import add_connections
from runtime.cli.context import Plugins, command_session
from runtime.cli.moments import parse_end
from runtime.cli.options import EXAMPLE, AsJson, For, Marketplace, Reason, ShopId, Until
from runtime.cli.output import print_json, print_line, print_table
from runtime.jobs.service import MarketplaceJobService
from runtime.jobs.views import shop_view
from runtime.rate_limits.closures import in_words
from runtime.shops.choice import check_marketplace
from runtime.shops.pausing import by_shop
from runtime.storage.queue.action_types import known_marketplaces
from runtime.storage.queue.closure_rows import closures_of
from runtime.storage.selling.shop_rows import list_shops

app = typer.Typer(help="Sellers' accounts.")
add_connections(app)


@app.command()
def add(
    marketplace: Annotated[str, typer.Argument(help=EXAMPLE)],
    user: Annotated[int, typer.Option(help="The id of the seller.")],
    external_id: Annotated[str, typer.Option(help="The marketplace's own id of the account.")],
    name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    as_json: AsJson = False,
) -> None:
    """Add a seller's account; if it was added before, it is shown."""
    with command_session() as session:
        # The plugin may have been installed since a service last started.
        if marketplace not in known_marketplaces(session):
            Plugins().introduce(session)
        shop = MarketplaceJobService(session).add_shop(marketplace, user, external_id, name)
        session.commit()
        if as_json:
            print_json(shop_view(shop))
        else:
            print_line(f"shop {shop.id}: {shop.external_id} on {shop.marketplace}, user {user}")


@app.command("list")
def list_(
    marketplace: Marketplace = None,
    user: Annotated[int | None, typer.Option(help="Show only accounts of this seller.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the accounts."""
    with command_session() as session:
        if marketplace is not None:
            check_marketplace(session, marketplace)
        shops = list_shops(session, marketplace=marketplace, user_id=user)
        closed = by_shop(closures_of(session))
        if as_json:
            print_json([shop_view(shop, closed.get(shop.id, ())) for shop in shops])
        else:
            print_table(
                ("id", "marketplace", "user", "external id", "name", "closed"),
                [
                    (
                        *(shop.id, shop.marketplace, shop.user_id, shop.external_id, shop.name),
                        "; ".join(map(in_words, closed.get(shop.id, ()))) or None,
                    )
                    for shop in shops
                ],
            )


@app.command()
def pause(
    shop_id: ShopId,
    reason: Reason = None,
    until: Until = None,
    for_: For = None,
    as_json: AsJson = False,
) -> None:
    """Start no further jobs of a shop, and let those that run send nothing more.

    Answers to calls that have left are still recorded. The jobs go on from there once the shop is
    open again.
    """
    end = parse_end(until, for_)
    with command_session() as session:
        closed = MarketplaceJobService(session).pause_shop(shop_id, reason, until=end)
        session.commit()
        print_closed(closed, as_json)


@app.command()
def resume(shop_id: ShopId, as_json: AsJson = False) -> None:
    """Open a shop, whatever closed it: a pause, a lost session, a captcha, a rate limit."""
    with command_session() as session:
        opened = MarketplaceJobService(session).resume_shop(shop_id)
        session.commit()
        print_opened(f"shop {shop_id}", opened, as_json)
