"""Prints results to standard output, and everything else to standard error."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from runtime.process.standard_error import write_standard_error
from runtime.values.terminal_text import ascii_json

# Without a terminal rich assumes 80 columns, and would break lines that a script reads.
WIDTH_WITHOUT_TERMINAL = 200


def print_json(value: Any) -> None:
    """Print one JSON document, for a program."""
    # Only printable ASCII is left, so that no encoding refuses it and no terminal acts on it.
    sys.stdout.write(ascii_json(value, indent=2) + "\n")


def print_line(text: str) -> None:
    """Print one line of the result, for a person."""
    sys.stdout.write(printable(text) + "\n")


def print_error(message: str) -> None:
    """Print ``error: ...`` on one line, even if the message has several."""
    write_standard_error(f"error: {printable(' '.join(message.split()))}\n")


def print_trace(trace: str) -> None:
    """Print the lines of a traceback, whose error may hold anybody's text."""
    sys.stderr.write(printable(trace))


def print_aside(text: str | None) -> None:
    """Print a remark for a person at a terminal; programs do not see it."""
    if text and sys.stderr.isatty():
        sys.stderr.write(f"{printable(text)}\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; on a pipe it has no colours and is wide enough to break no line."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    console().print(table)


def print_fields(fields: Iterable[tuple[str, Any]]) -> None:
    """Print names and values below each other."""
    table = Table.grid(padding=(0, 2))
    for name, value in fields:
        table.add_row(Text(name, style="bold"), cell(value))
    console().print(table)


def cell(value: Any) -> Text:
    """Show a value as text, never as markup and never as a control code of the terminal."""
    if value is None:
        return Text("-", style="dim")
    return Text(printable(str(value)))


def console(*, errors: bool = False) -> Console:
    """Return the console on standard output, or on standard error."""
    stream = sys.stderr if errors else sys.stdout
    width = None if stream.isatty() else WIDTH_WITHOUT_TERMINAL
    # Titles of buyers and sellers may hold square brackets, which rich would take for markup.
    return Console(file=stream, width=width, markup=False, highlight=False)


def printable(text: str) -> str:
    """Remove characters that a terminal would act on, or that the stream cannot encode."""
    shown = "".join(
        one if one.isprintable() or one == "\n" else "\N{REPLACEMENT CHARACTER}" for one in text
    )
    # A terminal in another encoding shows a question mark instead of ending the command.
    encoding = sys.stdout.encoding or "utf-8"
    return shown.encode(encoding, errors="replace").decode(encoding)
