"""Jobs on their way in."""

from dataclasses import dataclass
from datetime import timedelta

from runtime.job import Job


@dataclass(frozen=True, slots=True)
class LaneShop:
    """A shop that has pending jobs."""

    shop_id: int
    user_id: int


@dataclass(frozen=True, slots=True)
class JobsAnnounced:
    """New jobs may be there for these shops; listener to supervisor."""

    marketplace: str
    shops: tuple[LaneShop, ...]


@dataclass(frozen=True, slots=True)
class ListeningAgain:
    """Announcements may have been missed; look at the tables."""


@dataclass(frozen=True, slots=True)
class Poll:
    """Look for lanes with work that no announcement told of; supervisor to itself."""


@dataclass(frozen=True, slots=True)
class LanesFound:
    """These shops have, or may have, jobs that are due."""

    shops: tuple[LaneShop, ...]


@dataclass(frozen=True, slots=True)
class LaneDue:
    """A lane's next job falls due; marketplace actor to itself."""

    lane: int


@dataclass(frozen=True, slots=True)
class LaneRequest:
    """A lane with room for ``room`` more jobs, and the shops it serves."""

    lane: int
    shop_ids: tuple[int, ...]
    room: int


@dataclass(frozen=True, slots=True)
class ClaimRequested:
    """Claim up to ``limit`` jobs for these lanes; marketplace actor to supervisor."""

    marketplace: str
    sequence: int
    lanes: tuple[LaneRequest, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class JobsClaimed:
    """The answer to a request.

    Attributes:
        exhausted: lanes whose due jobs are all claimed, with the time until their next
            pending job falls due (None: they have none).
    """

    sequence: int
    jobs: tuple[Job, ...]
    exhausted: tuple[tuple[int, timedelta | None], ...]


@dataclass(frozen=True, slots=True)
class ClaimFailed:
    """The database could not be asked; lanes will be found again."""

    sequence: int


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody asked to cancel this job."""

    job_id: int


@dataclass(frozen=True, slots=True)
class PauseRequested:
    """Somebody asked to pause this job, which runs."""

    job_id: int


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that this node runs, as the database has it."""

    job_id: int
    fence: int
    marketplace: str
    cancel_requested: bool
    pause_requested: bool = False


@dataclass(frozen=True, slots=True)
class RunningJobs:
    """All jobs that a marketplace's actor runs, as the database has it.

    What it does not know of was claimed for it and got lost; a cancellation or a pause it has
    not heard of, too.
    """

    jobs: tuple[RunningJob, ...]
