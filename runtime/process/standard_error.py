"""Writes to standard error without ever failing or waiting for a reader that does not read."""

import os
import select
import sys
from pathlib import Path

PATIENCE_SECONDS = 0.5
"""The time that a reader gets to make room; the text is dropped afterwards."""

_patience = [PATIENCE_SECONDS]


def write_standard_error(text: str, patience_seconds: float | None = None) -> None:
    """Write a text; drop it where standard error is closed, or is full and nobody reads it.

    Args:
        patience_seconds: the time to wait for room. Unless it is given, the first text waits for
            ``PATIENCE_SECONDS``, and later ones for no time until there is room again.
    """
    stream = sys.stderr
    if stream is None:
        return
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        _write_stream(text)
        return
    wait = _patience[0] if patience_seconds is None else patience_seconds
    data = text.encode(stream.encoding or "utf-8", errors="backslashreplace")
    try:
        while data:
            if not _has_room(descriptor, wait):
                _patience[0] = 0.0
                return
            # A pipe that has room takes this many bytes at once, so the write never blocks.
            data = data[os.write(descriptor, data[: select.PIPE_BUF]) :]
        _patience[0] = PATIENCE_SECONDS
    except OSError:
        # The reader has ended. Nobody is left who could be told.
        return


def open_missing_streams() -> None:
    """Open the standard streams that were closed when the process began, onto nothing.

    Otherwise a file or a connection that is opened later would get the number of such a stream,
    and every line for the stream would be written into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != descriptor:
                os.dup2(nothing, descriptor)
                os.close(nothing)
            # Child processes are to have the stream, too.
            os.set_inheritable(descriptor, True)
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - it stays open with the process
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115


def _has_room(descriptor: int, seconds: float) -> bool:
    # poll rather than select, which refuses descriptors from 1024 on.
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(seconds * 1000))


def _write_stream(text: str) -> None:
    try:
        sys.stderr.write(text)
    except (OSError, ValueError):
        return
