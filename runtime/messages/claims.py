"""Messages on the way of a job from the database to its marketplace's actor."""

from dataclasses import dataclass
from datetime import timedelta

from runtime.runs.job import Job
from runtime.waiting.urgency import LEAST_URGENT


@dataclass(frozen=True, slots=True)
class LaneShop:
    """A shop that has, or may have, pending jobs.

    Attributes:
        priority: the priority of the job; None if only a change of the shop is known.
        due_in: the time until the job falls due, negative if it is due already.
    """

    shop_id: int
    user_id: int
    priority: int | None = None
    # Times until a job falls due are durations: the database's clock alone decides, and this
    # machine's may differ from it.
    due_in: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class JobsAnnounced:
    """These shops may have new jobs; the listener tells the supervisor."""

    marketplace: str
    shops: tuple[LaneShop, ...]


@dataclass(frozen=True, slots=True)
class ListeningAgain:
    """The listener may have missed announcements, so the supervisor looks at the tables."""


@dataclass(frozen=True, slots=True)
class Poll:
    """The supervisor tells itself to look for work that no announcement told of."""


@dataclass(frozen=True, slots=True)
class LanesFound:
    """These shops have, or may have, jobs that are due or will fall due."""

    shops: tuple[LaneShop, ...]


@dataclass(frozen=True, slots=True)
class LaneDue:
    """A lane's next job falls due; a marketplace actor tells itself."""

    lane: int


@dataclass(frozen=True, slots=True)
class LaneRequest:
    """A lane with room for ``room`` more jobs, and the shops that it serves.

    Attributes:
        after: the priority of the job that the lane got last; within an urgency, priorities
            alternate.
        urgency: the urgency for which the lane is named. For a worse one it comes after the lanes
            that are named for that, because the hint for the better one may be outdated.
        worst: the lane gets no job of a worse urgency than this.
    """

    lane: int
    shop_ids: tuple[int, ...]
    room: int
    after: int = 0
    urgency: int = LEAST_URGENT
    worst: int = LEAST_URGENT


@dataclass(frozen=True, slots=True)
class ClaimRequested:
    """A marketplace actor asks the supervisor to claim up to ``limit`` jobs for these lanes.

    Within an urgency the lanes are served in the order in which they are named.
    """

    marketplace: str
    # The number ties the answer to its question: an answer that comes after its claim was given up
    # must not be taken for that of the next claim.
    sequence: int
    lanes: tuple[LaneRequest, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class Head:
    """The first waiting job of a lane and a priority.

    Attributes:
        due_in: the time until the job falls due, negative if it is due already.
        blocked: whether the job waits for another job of its product.
    """

    priority: int
    due_in: timedelta
    # A blocked job is told apart because its lane must not be asked for it again at once.
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class LaneHeads:
    """The first waiting jobs of a lane.

    Attributes:
        heads: for each priority at most one job that can be claimed, now or later, and one job
            that is due and blocked.
    """

    lane: int
    heads: tuple[Head, ...]


@dataclass(frozen=True, slots=True)
class JobsClaimed:
    """The answer to :class:`ClaimRequested`.

    Attributes:
        waiting: the first jobs that still wait in each lane of the request.
    """

    sequence: int
    jobs: tuple[Job, ...]
    # The heads come with the jobs, so the actor needs no second question to know when to ask again.
    waiting: tuple[LaneHeads, ...]


@dataclass(frozen=True, slots=True)
class ClaimFailed:
    """The database could not be reached; the next poll finds the lanes again."""

    sequence: int


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody asked to cancel this job, which runs."""

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
    # One query finds the jobs of all actors of a node, and the supervisor sorts them by
    # marketplace.
    marketplace: str
    cancel_requested: bool
    pause_requested: bool = False


@dataclass(frozen=True, slots=True)
class RunningJobs:
    """All jobs that a marketplace's actor runs, as the database has them.

    The actor compares this with its own runs. So it finds jobs that were claimed for it while the
    answer got lost, and requests to cancel or pause of which it has not heard.
    """

    jobs: tuple[RunningJob, ...]
