"""token: what a seller's browser shows to the bridge."""

import re
from datetime import timedelta
from typing import Annotated

import typer

from runtime.arguments import LARGEST_ID
from runtime.cli.output import print_line
from runtime.config import load_settings
from runtime.data_directory import token_secret
from runtime.tokens import issue_token

LONGEST = timedelta(days=3650)

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_lifetime(text: str) -> timedelta:
    """The duration of ``--expires``, such as ``30d``.

    Raises:
        typer.BadParameter: it is not one.
    """
    match = re.fullmatch(r"([0-9]{1,9})([smhdw])", text.strip())
    lifetime = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta(0)
    if not timedelta(0) < lifetime <= LONGEST:
        raise typer.BadParameter(
            f"{text!r} is not a lifetime such as 45s, 30m, 12h, 30d or 2w "
            f"(at most {LONGEST.days} days)",
            param_hint="--expires",
        )
    return lifetime


def token(
    user: Annotated[int, typer.Option(min=1, max=LARGEST_ID, help="The id of the seller.")],
    expires: Annotated[
        str, typer.Option(help="How long it counts: 45s, 30m, 12h, 30d, 2w.")
    ] = "30d",
) -> None:
    """Print the token of a seller's browser.

    With it the browser connects to the bridge.
    """
    lifetime = parse_lifetime(expires)
    settings = load_settings()
    print_line(issue_token(user, token_secret(settings), settings.token_algorithm, lifetime))
