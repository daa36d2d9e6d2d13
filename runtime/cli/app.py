"""Builds the command line from its commands, and turns their errors into messages."""

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import typer

from runtime.cli.commands import (
    backup,
    batches,
    doctor,
    handlers,
    import_former,
    jobs,
    marketplaces,
    migrate,
    products,
    schedules,
    shops,
    token,
)
from runtime.cli.commands.demo import add_demo
from runtime.cli.commands.serve import serve
from runtime.cli.composition import Parts
from runtime.cli.output import print_error, print_trace
from runtime.errors import MarketplaceRuntimeError
from runtime.errors.program import PROGRAM
from runtime.process.standard_error import open_missing_streams

# Shells report a process that SIGINT (2) ended with this code, 128 + 2.
INTERRUPTED = 130


def build_app(parts: Parts) -> typer.Typer:
    """Build the application with all its commands."""
    app = typer.Typer(
        help="Runs resellers' jobs on Vinted, eBay, Etsy and other marketplaces.",
        add_completion=False,
        # Errors are told in one line, and a traceback with local variables could show secrets.
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @app.callback(invoke_without_command=True)
    def default(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            raise typer.Exit(serve(parts))

    @app.command("serve")
    def serve_() -> None:
        """Run the service; the default.

        Ctrl-C, SIGTERM and SIGHUP stop it in order: no job is begun any more, running jobs get
        some time, and every outcome is recorded. A second signal stops it at once.
        """
        raise typer.Exit(serve(parts))

    add_demo(app, parts)
    app.command()(migrate.migrate)
    app.command("import-former")(import_former.import_former)
    app.add_typer(jobs.app, name="jobs")
    app.add_typer(batches.app, name="batches")
    app.add_typer(schedules.app, name="schedules")
    app.add_typer(marketplaces.app, name="marketplaces")
    app.add_typer(shops.app, name="shops")
    app.add_typer(products.app, name="products")
    app.add_typer(handlers.app, name="handlers")
    app.command()(token.token)
    app.command()(doctor.doctor)
    app.command()(backup.backup)
    return app


def run(parts: Parts, arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    The code is 0 for success, 1 for an error (in one line), 2 for a wrong command line, and 130
    for an interruption.
    """
    open_missing_streams()
    command = typer.main.get_command(build_app(parts))
    given = list(sys.argv[1:] if arguments is None else arguments)
    # A process that was started by nohup ignores SIGHUP, and is to outlive its terminal.
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _interrupt)
    # SIGTERM acts like Ctrl-C, so that blocks are left in order and an embedded server is stopped.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        # Outside the standalone mode, errors arrive here, where they become one line.
        code = command.main(given, prog_name=PROGRAM, standalone_mode=False)
    except typer.TyperException as error:
        return _tell_misuse(error)
    except MarketplaceRuntimeError as error:
        return _tell(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a person never sees a traceback unasked
        return _tell_unexpected(error)
    if code == INTERRUPTED:
        print_error("interrupted")
    return int(code or 0)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _tell(message: str) -> int:
    print_error(message)
    return 1


def _tell_misuse(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else PROGRAM
    print_error(f"{error.format_message()} (`{path} --help` shows how)")
    return error.exit_code


def _tell_unexpected(error: Exception) -> int:
    # The settings may be the very problem, so this reads the environment itself.
    if os.environ.get("RUNTIME_LOG_LEVEL") == "debug":
        print_trace("".join(traceback.format_exception(error)))
        return _tell("unexpected, see above")
    reason = str(error).strip().partition("\n")[0]
    return _tell(
        f"unexpected {type(error).__name__}: {reason} (RUNTIME_LOG_LEVEL=debug shows where)"
    )
