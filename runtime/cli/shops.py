"""shops add, shops list."""

from typing import Annotated

import typer

from runtime.cli.context import Plugins, command_session
from runtime.cli.options import AsJson, Marketplace
from runtime.cli.output import print_json, print_line, print_table
from runtime.cli.shop_connections import add_connections
from runtime.job_view import shop_view
from runtime.service import MarketplaceJobService
from runtime.shop_choice import check_marketplace
from runtime.storage.action_types import known_marketplaces
from runtime.storage.shops import list_shops

app = typer.Typer(help="Sellers' accounts.")
add_connections(app)


@app.command()
def add(
    marketplace: Annotated[str, typer.Argument(help="For example vinted.")],
    user: Annotated[int, typer.Option(help="The id of the seller.")],
    external_id: Annotated[str, typer.Option(help="The marketplace's own id of the account.")],
    name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    as_json: AsJson = False,
) -> None:
    """Add a seller's account. One that is there already is shown."""
    with command_session() as session:
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
    user: Annotated[int | None, typer.Option(help="Only this seller's.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the accounts."""
    with command_session() as session:
        if marketplace is not None:
            check_marketplace(session, marketplace)
        shops = list_shops(session, marketplace=marketplace, user_id=user)
        if as_json:
            print_json([shop_view(shop) for shop in shops])
        else:
            print_table(
                ("id", "marketplace", "user", "external id", "name"),
                [(s.id, s.marketplace, s.user_id, s.external_id, s.name) for s in shops],
            )
