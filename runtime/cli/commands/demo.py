"""The command demo shows the whole way of jobs, with simulated sellers and marketplaces."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from runtime.cli.composition import Parts
from runtime.cli.context import command_settings, opened_database
from runtime.cli.demonstration.play import IMAGE, Play
from runtime.cli.demonstration.summary import print_summary
from runtime.cli.demonstration.watch import Watch
from runtime.cli.output import print_line
from runtime.cli.stop_signals import StopSignals
from runtime.errors.program import PROGRAM
from runtime.marketplaces.simulation import EXAMPLE_PRODUCT
from runtime.process.config import Settings
from runtime.process.data_directory import media_directory
from runtime.process.logs import configure_logging

# The demo ends when its jobs are over, so there is nothing to wait for.
DRAIN_SECONDS = 0.5
PHOTO_HOST = "https://photos.example"
"""The address of the image for the simulated marketplaces, none of which fetches it."""


def add_demo(app: typer.Typer, parts: Parts) -> None:
    """Add the command."""

    @app.command()
    def demo(
        sellers: Annotated[
            int, typer.Option(min=1, max=100, help="The number of sellers who sync.")
        ] = 3,
        items: Annotated[
            int,
            typer.Option(
                min=0, max=50_000, help="The number of items that each of them has on sale."
            ),
        ] = 250,
        keep_running: Annotated[
            bool, typer.Option("--keep-running", help="Leave the service up until Ctrl-C.")
        ] = False,
    ) -> None:
        """Show a service at work, with simulated sellers on simulated marketplaces.

        Sellers sync their items on Vinted. Another seller publishes a product on every
        marketplace and sells it on one of them, and it is taken off the others. Answers are
        lost on the way, and in the end the marketplaces are asked whether everything happened
        once.

        Nothing leaves this machine, no setting counts, and nothing is left behind.
        """
        _be_quiet()
        with StopSignals() as stop, ExitStack() as stack:
            # A data directory of its own: a service that knows the simulations would otherwise
            # carry out the operator's waiting jobs on them.
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="demo-"))
            settings = _settings(Path(directory))
            play = stack.enter_context(_stage(parts, settings, stop, sellers, items))
            kept = _perform(play)
            if keep_running:
                print_line(
                    f"\nthe service is up at {play.url}, with the sellers connected; look around "
                    f"with\n  RUNTIME_DATA_DIR={directory} {PROGRAM} jobs list\nCtrl-C stops it"
                )
                stop.wait()
        if not kept:
            raise typer.Exit(1)


def _be_quiet() -> None:
    """Silence warnings about answers that are lost on purpose, unless a person asks for them."""
    given = command_settings()
    if given.log_level == "info":
        configure_logging(given.model_copy(update={"log_level": "error"}))


def _perform(play: Play) -> bool:
    started = time.monotonic()
    play.sync()
    play.publish()
    play.sell()
    return print_summary(play.jobs(), play.promises(), time.monotonic() - started)


def _settings(directory: Path) -> Settings:
    """Return the defaults, whatever the environment says: the operator's service is not touched."""
    # model_construct reads no environment.
    return Settings.model_construct(
        data_dir=directory,
        # Any free port: the operator's own service may hold the usual one.
        bridge_port=0,
        media_url=PHOTO_HOST,
        drain_seconds=DRAIN_SECONDS,
        log_level="warning",
    )


@contextmanager
def _stage(
    parts: Parts, settings: Settings, stop: StopSignals, sellers: int, items: int
) -> Iterator[Play]:
    """Run a service, and sellers whose browsers are connected to it."""
    media = media_directory(settings)
    for image in EXAMPLE_PRODUCT["images"]:
        (media / image).write_bytes(IMAGE)
    with opened_database(settings) as database, ExitStack() as stack:
        play = Play(settings, database, Watch(database, stop))
        registry = play.cast(stack, sellers, items)
        # Sellers come before the service on the stack, so that it stops while they are connected.
        browsers = stack.enter_context(ExitStack())
        service = parts.make_service(settings, database, registry)
        service.start()
        # A start that fails leaves nothing running, so that only a service which has started is
        # stopped.
        stack.callback(service.stop)
        play.enter(browsers, f"http://127.0.0.1:{service.bridge_port}")
        yield play
