"""Tells which job's code was running when a process died, or stalled its heartbeat.

Every thread writes the job's id into a slot of a mapped file before it runs code of a handler,
and clears the slot afterwards. The operating system keeps the file's content when the process is
killed. So the rescuer of a dead node can tell the job that may have killed it from the jobs that
merely waited.
"""

import mmap
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.process.stalls import Stalls

# More than the threads of a service with its default settings; the file is one page of memory.
SLOTS = 512
_SLOT = struct.Struct("q")


class CrashMarker:
    """The file of one node.

    Args:
        directory: the directory with the markers of all nodes of this data directory.
        stalls: finds out which job's code stalls the node's heartbeat.
    """

    def __init__(self, directory: Path, node_id: int, stalls: Stalls) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = _path(directory, node_id)
        # The file gets its full size first, because a mapping cannot be longer than its file.
        self._path.write_bytes(bytes(SLOTS * _SLOT.size))
        with self._path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), SLOTS * _SLOT.size)
        self._stalls = stalls
        self._free = list(range(SLOTS))
        self._lock = threading.Lock()

    @contextmanager
    def running(self, job_id: int) -> Iterator[None]:
        """Mark the job while the block runs its code."""
        with self._stalls.watching(job_id), self._in_slot(job_id):
            yield

    def has_stalled(self, job_id: int) -> bool:
        """Return whether the job's code has stalled the heartbeat since this was asked last."""
        return self._stalls.take(job_id)

    @contextmanager
    def _in_slot(self, job_id: int) -> Iterator[None]:
        with self._lock:
            slot = self._free.pop() if self._free else None
        if slot is None:
            # There are more threads than slots. The marker is only a help for the rescue, so the
            # job runs without it.
            yield
            return
        _SLOT.pack_into(self._map, slot * _SLOT.size, job_id)
        try:
            yield
        finally:
            _SLOT.pack_into(self._map, slot * _SLOT.size, 0)
            with self._lock:
                self._free.append(slot)

    def close(self) -> None:
        """Remove the marker, because the node ends well and nobody will read it."""
        self._path.unlink(missing_ok=True)


def jobs_running_at_death(directory: Path, node_id: int) -> frozenset[int] | None:
    """Return the jobs whose code was running, or None if there is no marker of the node here."""
    try:
        content = _path(directory, node_id).read_bytes()
    except OSError:
        return None
    # The process may have died before the file had its full size.
    usable = content[: len(content) // _SLOT.size * _SLOT.size]
    return frozenset(job_id for (job_id,) in _SLOT.iter_unpack(usable) if job_id)


def forget_marker(directory: Path, node_id: int) -> None:
    """Remove the marker, because the jobs of its node are rescued."""
    _path(directory, node_id).unlink(missing_ok=True)


def _path(directory: Path, node_id: int) -> Path:
    return directory / f"{node_id}.running"
