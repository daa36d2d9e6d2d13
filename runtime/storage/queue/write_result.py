"""The outcome of writing a group of entries: written, or to be written later."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import text
from sqlalchemy.orm import Session

from runtime.storage.models import SCHEMA

Key = TypeVar("Key")

# This look takes no lock, so that it sees a row whichever transaction holds it. A run that has lost
# its job is not found, and its entries are dropped instead of written later.
_STILL_RUNNING = text(f"""
    SELECT job.id FROM {SCHEMA}.marketplace_jobs AS job
    JOIN unnest(CAST(:ids AS bigint[]), CAST(:fences AS bigint[])) AS run (id, fence)
        ON job.id = run.id AND job.fence = run.fence
    WHERE job.status = 'running'
""")


@dataclass(frozen=True, slots=True)
class WriteResult(Generic[Key]):
    """The outcome of one statement.

    Attributes:
        written: the entries that were written, with the values that the statement returned.
        held: the jobs whose rows another transaction locks; their entries have to wait.
    """

    written: Mapping[Key, Any]
    held: frozenset[int]


def held_jobs(
    session: Session, runs: Sequence[tuple[int, int]], written: Collection[int]
) -> frozenset[int]:
    """Return the jobs whose runs still own them although no entry of theirs was written.

    Args:
        runs: pairs of a job's id and its fence.
        written: the ids of the jobs of which an entry was written.
    """
    unwritten = [(job_id, fence) for job_id, fence in runs if job_id not in written]
    if not unwritten:
        return frozenset()
    ids, fences = zip(*unwritten, strict=True)
    rows = session.scalars(_STILL_RUNNING, {"ids": list(ids), "fences": list(fences)})
    return frozenset(rows)
