"""Jobs on their way in."""

from dataclasses import dataclass
from datetime import timedelta

from runtime.runs.job import Job
from runtime.waiting.urgency import LEAST_URGENT


@dataclass(frozen=True, slots=True)
class LaneShop:
    """A shop that has, or may have, pending jobs.

    Attributes:
        priority: of the job that is meant; None: nothing is known but that something changed.
        due_in: the time until it falls due; where it has passed, negative.
    """

    shop_id: int
    user_id: int
    priority: int | None = None
    due_in: timedelta = timedelta(0)


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
    """These shops have, or may have, jobs that are due, or fall due."""

    shops: tuple[LaneShop, ...]


@dataclass(frozen=True, slots=True)
class LaneDue:
    """A lane's next job falls due; marketplace actor to itself."""

    lane: int


@dataclass(frozen=True, slots=True)
class LaneRequest:
    """A lane with room for ``room`` more jobs, and the shops it serves.

    Attributes:
        after: the priority of the job that it got last. Within a level, priorities take turns.
        level: on which it has its turn; on a worse one it is behind those that have theirs there.
        worst: it gets no job of a level worse than this.
    """

    lane: int
    shop_ids: tuple[int, ...]
    room: int
    after: int = 0
    level: int = LEAST_URGENT
    worst: int = LEAST_URGENT


@dataclass(frozen=True, slots=True)
class ClaimRequested:
    """Claim up to ``limit`` jobs for these lanes; marketplace actor to supervisor.

    Within a level the lanes are served in the order in which they are named.
    """

    marketplace: str
    sequence: int
    lanes: tuple[LaneRequest, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class Head:
    """The first waiting job of a lane and a priority.

    Attributes:
        due_in: the time until it falls due; where it has passed, negative.
        blocked: it waits for another job of its product.
    """

    priority: int
    due_in: timedelta
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class LaneHeads:
    """What waits in a lane.

    Attributes:
        heads: of each priority at most one that can be claimed, now or later, and one that is due
            and blocked.
    """

    lane: int
    heads: tuple[Head, ...]


@dataclass(frozen=True, slots=True)
class JobsClaimed:
    """The answer to a request.

    Attributes:
        left: what waits in each lane that the request named, when these jobs are claimed.
    """

    sequence: int
    jobs: tuple[Job, ...]
    left: tuple[LaneHeads, ...]


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
