"""The commands shops connect, disconnect, set and rotate-keys."""

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.progress import Progress

from runtime.cli.context import Plugins, command_session, command_settings, opened_database
from runtime.cli.options import AsJson
from runtime.cli.output import console, print_aside, print_json, print_line
from runtime.errors import InputError, ShopNotFound
from runtime.errors.program import PROGRAM
from runtime.jobs.views import shop_view
from runtime.marketplaces.credentials import Credentials, Vault
from runtime.marketplaces.record import Marketplace, OAuth2
from runtime.process.config import Settings
from runtime.process.data_directory import encryption_keys
from runtime.shops.connection import (
    auth_of,
    check_owner,
    connect_shop,
    credentials_from_refresh_token,
    disconnect_shop,
    identified,
)
from runtime.shops.consent_callback import Callback
from runtime.shops.key_rotation import rotate_keys
from runtime.shops.oauth import ask_consent, code_of, trade_code
from runtime.shops.settings import changed_settings, parsed_settings
from runtime.storage.selling.shop_rows import shop_by_id
from runtime.values.arguments import LARGEST_ID

PATIENCE = timedelta(minutes=10)
SOME_UNREADABLE = 1
CALLBACK_PORT = 8767
"""The port is always the same, because Etsy sends a seller back only to a registered address."""

ShopId = Annotated[int, typer.Argument(metavar="ID", min=1, max=LARGEST_ID, help="The shop's id.")]


def connect(
    marketplace: Annotated[str, typer.Argument(help="For example ebay or etsy.")],
    user: Annotated[int, typer.Option(min=1, max=LARGEST_ID, help="The id of the seller.")],
    external_id: Annotated[
        str | None, typer.Option(help="The marketplace's own id of the account.")
    ] = None,
    refresh_token: Annotated[
        str | None,
        typer.Option(help="A refresh token that you have already; - reads it from standard input."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="The port that waits for the answer; 0: any free one."),
    ] = CALLBACK_PORT,
    paste: Annotated[
        bool,
        typer.Option(
            "--paste", help="Read the address to which the seller was sent back from the terminal."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let the runtime act for a seller's shop.

    The command prints the address at which the seller consents, and waits for the answer. A shop
    that exists already gets new tokens, and its jobs go on.
    """
    known = _marketplace(marketplace)
    auth = auth_of(known)
    vault = _vault(command_settings())
    if external_id is None and known.identification is None:
        raise InputError(
            f"{marketplace} does not say which account consented: name it with --external-id"
        )
    # These checks come before a token is asked for: a token that cannot be stored afterwards would
    # be lost, and may have ended the former one.
    with command_session() as session:
        Plugins().introduce(session)
        if external_id is not None:
            check_owner(session, known, user, external_id)
        session.commit()
    if refresh_token is not None:
        # Standard input keeps the token out of the shell's history and the list of processes.
        given = sys.stdin.readline().strip() if refresh_token == "-" else refresh_token
        credentials = credentials_from_refresh_token(auth, given, datetime.now(UTC))
    else:
        # A marketplace with a fixed address of its own, as eBay has, cannot send the seller to a
        # port of this machine.
        credentials = _consented(auth, port, paste=paste or auth.redirect_uri is not None)
    if external_id is None:
        found = identified(known, credentials)
        if found is None:
            raise InputError(
                f"{marketplace} does not say which account consented: name it with --external-id"
            )
        external_id, name = found[0], name or found[1]
    with command_session() as session:
        shop = connect_shop(session, vault, known, user, external_id, credentials, name)
        session.commit()
        if as_json:
            print_json(shop_view(shop))
        else:
            print_line(f"shop {shop.id}: {shop.external_id} on {shop.marketplace}, connected")


def disconnect(shop: ShopId) -> None:
    """Forget the tokens of a shop; its jobs wait until it is connected again."""
    with command_session() as session:
        found = disconnect_shop(session, shop)
        session.commit()
        print_line(f"shop {found.id}: disconnected; `{PROGRAM} shops connect {found.marketplace}`")


def set_(
    shop: ShopId,
    settings: Annotated[
        list[str],
        typer.Argument(metavar="NAME=VALUE...", help="Settings; an empty value removes a setting."),
    ],
    as_json: AsJson = False,
) -> None:
    """Change settings of a shop, such as marketplace_id=EBAY_FR."""
    with command_session() as session:
        found = shop_by_id(session, shop)
        if found is None:
            raise ShopNotFound(
                f"shop {shop} does not exist; `{PROGRAM} shops list` shows those that do"
            )
        changes = parsed_settings(_marketplace(found.marketplace), settings)
        found.settings = changed_settings(found.settings, changes)
        session.commit()
        if as_json:
            print_json(shop_view(found))
        else:
            shown = ", ".join(f"{name}={_typed(value)}" for name, value in found.settings.items())
            print_line(f"shop {found.id}: {shown or 'no settings'}")


def rotate_keys_() -> None:
    """Encrypt all tokens anew under the newest of RUNTIME_ENCRYPTION_KEYS.

    Put the new key first, restart the services, run this command, then remove the old key.
    """
    settings = command_settings()
    vault = _vault(settings)
    with opened_database(settings) as database, Progress(console=console(errors=True)) as bars:
        bar = bars.add_task("shops", total=None)

        def look(done: int, total: int) -> None:
            bars.update(bar, completed=done, total=total)

        done, unreadable = rotate_keys(database, vault, look)
    print_line(f"{done} shops: their tokens are encrypted with the newest key")
    if unreadable:
        named = ", ".join(map(str, unreadable[:20])) + (" and more" if unreadable[20:] else "")
        print_line(f"no key fits the tokens of shops {named}: they stay as they are")
        raise typer.Exit(SOME_UNREADABLE)


def add_connections(app: typer.Typer) -> None:
    """Add the commands to those of ``shops``."""
    app.command("connect")(connect)
    app.command("disconnect")(disconnect)
    app.command("set")(set_)
    app.command("rotate-keys")(rotate_keys_)


def _consented(auth: OAuth2, port: int, *, paste: bool) -> Credentials:
    if paste:
        consent = ask_consent(auth, f"http://127.0.0.1:{port}/callback")
        print_line(f"Let the seller consent here:\n{consent.url}")
        # Somebody who reads through a pipe needs the address before the command waits for the
        # answer.
        sys.stdout.flush()
        print_aside("Then paste the address that the browser was sent to:")
        sys.stdout.flush()
        code = code_of(consent, sys.stdin.readline().strip())
    else:
        with Callback(port) as callback:
            consent = ask_consent(auth, callback.address)
            print_line(f"Let the seller consent here:\n{consent.url}")
            print_aside(f"Waiting for the answer at {callback.address}; Ctrl-C gives up.")
            sys.stdout.flush()
            code = callback.wait(lambda address: code_of(consent, address), PATIENCE)
    return trade_code(auth, consent, code, datetime.now(UTC))


def _typed(value: Any) -> str:
    """Return a setting in the form in which the command line takes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _marketplace(name: str) -> Marketplace:
    known = Plugins().registry.marketplaces
    if name not in known:
        raise InputError(f"no handlers for {name!r} are installed; known: {', '.join(known)}")
    return known[name]


def _vault(settings: Settings) -> Vault:
    return Vault(encryption_keys(settings))
