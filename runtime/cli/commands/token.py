"""The command token prints the token with which a seller's browser connects to the bridge."""

from typing import Annotated

import typer

from runtime.bridge.seller_tokens import issue_token
from runtime.cli.moments import parse_duration
from runtime.cli.output import print_line
from runtime.process.config import load_settings
from runtime.process.data_directory import token_secret
from runtime.values.arguments import LARGEST_ID


def token(
    user: Annotated[int, typer.Option(min=1, max=LARGEST_ID, help="The id of the seller.")],
    expires: Annotated[
        str, typer.Option(help="The time for which it is valid: 45s, 30m, 12h, 30d, 2w.")
    ] = "30d",
) -> None:
    """Print the token with which a seller's browser connects to the bridge.

    A person who has the token acts as this seller's browser until it expires.
    """
    lifetime = parse_duration(expires, "--expires")
    # The database is not needed: the secret alone makes a token.
    settings = load_settings()
    if lifetime > settings.longest_token_lifetime:
        raise typer.BadParameter(
            f"the bridge would refuse it: a token may be valid for {settings.token_longest_days:g} "
            "days at most (RUNTIME_TOKEN_LONGEST_DAYS)",
            param_hint="--expires",
        )
    print_line(issue_token(user, token_secret(settings), settings.token_algorithm, lifetime))
