"""Finds the obstacles in the way of a waiting job, from facts. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from runtime.errors import not_connected_message
from runtime.errors.program import PROGRAM
from runtime.rate_limits.closures import Closure, Scope, in_words
from runtime.runs.job_states import JobStatus
from runtime.waiting.lane_policy import LanePolicy

NO_SERVICE = f"no service is running: start `{PROGRAM} serve`"
NEXT = "waiting for its turn"
PAUSED = "paused; it goes on when it is resumed"
AT_ONCE = timedelta(seconds=1)
"""A job that nothing holds up starts within this time, unless places go to others first."""


class ObstacleKind(StrEnum):
    """The kind of an obstacle."""

    PAUSED = "paused"
    NO_SERVICE = "no_service"
    NO_HANDLER = "no_handler"
    DOWN = "down"
    CLOSED = "closed"
    USED_UP = "used_up"
    SELLER_AWAY = "seller_away"
    TIME = "time"
    PRODUCT_BUSY = "product_busy"
    LANE_BUSY = "lane_busy"
    PRIORITY = "priority"
    PLACES_TAKEN = "places_taken"
    TURN = "turn"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One obstacle in a job's way.

    Attributes:
        text: the obstacle in words for a person.
        until: the time when it goes away by itself; None if nobody knows.
    """

    kind: ObstacleKind
    text: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class OtherJob:
    """A job that another one waits for."""

    id: int
    action: str
    status: JobStatus

    def __str__(self) -> str:
        """Return the job as an operator reads it."""
        return f"job {self.id} ({self.action}, {self.status.value})"


@dataclass(frozen=True, slots=True)
class UsedUp:
    """A scope of the budgets through which no call goes until a window has moved on."""

    scope: Scope
    reason: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFacts:
    """The facts about a job and about everything that it depends on.

    Attributes:
        stored_reason: the reason for waiting that the last run stored, or None.
        retry_count: the number of attempts that the job has used up.
        lanes: the lane policy of the job's marketplace.
        has_handler: whether some living service can run the job; True if that is not known.
        down: the reason why no living service can serve the marketplace for now, or None.
        seller_away_since: the time since which the seller is away; None if never seen.
        closures: the closures that hold on a scope of the job's path.
        used_up: a used-up quota that keeps the job's first call back, or None.
        same_product: the job of the same product that has to end before this job, or None.
        lane: the jobs that have the places of the lane.
        jobs_before: the number of due jobs of the lane that are claimed before this job.
        jobs_before_capped: whether there may be more jobs than that.
        marketplace_taken: the number of places of the marketplace that are taken.
        marketplace_places: the number of its places; None if that is not known.
    """

    status: JobStatus
    user_id: int
    run_at: datetime
    stored_reason: str | None
    now: datetime
    service_alive: bool
    seller_connected: bool
    lanes: LanePolicy
    retry_count: int = 0
    has_handler: bool = True
    down: str | None = None
    seller_away_since: datetime | None = None
    closures: tuple[Closure, ...] = ()
    used_up: UsedUp | None = None
    same_product: OtherJob | None = None
    lane: tuple[OtherJob, ...] = ()
    jobs_before: int = 0
    jobs_before_capped: bool = False
    marketplace_taken: int = 0
    marketplace_places: int | None = None


def obstacles(facts: WaitingFacts) -> tuple[Obstacle, ...]:
    """Return the obstacles of a job that is not over and does not run, the gravest first."""
    # Of a paused job all else is beside the point, because only a person lets it go on.
    if facts.status is JobStatus.PAUSED:
        return (Obstacle(ObstacleKind.PAUSED, facts.stored_reason or PAUSED),)
    if facts.status is not JobStatus.PENDING:
        return ()
    return tuple(_obstacles(facts))


def waiting_reason(facts: WaitingFacts) -> str | None:
    """Return what the job waits for in one line, or None if it waits for nothing."""
    if facts.status not in {JobStatus.PENDING, JobStatus.PAUSED}:
        return None
    found = obstacles(facts)
    if not found:
        # The reason that the last run stored is over, so it would mislead.
        return NEXT
    # One line tells the gravest kind alone; `jobs explain` tells all.
    return "; ".join(one.text for one in found if one.kind is found[0].kind)


def _obstacles(facts: WaitingFacts) -> Iterator[Obstacle]:
    of_its_own = tuple(_of_its_own(facts))
    yield from of_its_own
    if not of_its_own and facts.now - facts.run_at > AT_ONCE:
        yield Obstacle(ObstacleKind.TURN, NEXT)


def _of_its_own(facts: WaitingFacts) -> Iterator[Obstacle]:
    if not facts.service_alive:
        yield Obstacle(ObstacleKind.NO_SERVICE, NO_SERVICE)
    # Without a service nobody knows which handlers there will be.
    elif not facts.has_handler:
        yield Obstacle(
            ObstacleKind.NO_HANDLER,
            f"no running service has a handler for it: `{PROGRAM} handlers list`",
        )
    if facts.down is not None:
        yield Obstacle(ObstacleKind.DOWN, f"its marketplace is marked down: {facts.down}")
    due = facts.run_at <= facts.now
    if not due:
        yield Obstacle(ObstacleKind.TIME, _scheduled(facts), facts.run_at)
    yield from (Obstacle(ObstacleKind.CLOSED, in_words(one), one.until) for one in facts.closures)
    if (used_up := facts.used_up) is not None:
        text = f"budget {used_up.scope}: {used_up.reason} (until {_moment(used_up.until)})"
        yield Obstacle(ObstacleKind.USED_UP, text, used_up.until)
    if due and not facts.lanes.is_served(facts.seller_connected):
        # If a job is scheduled for later, the absence of its seller is not the reason yet.
        yield Obstacle(ObstacleKind.SELLER_AWAY, _away(facts))
    if facts.same_product is not None:
        text = f"{facts.same_product} of the same product comes first"
        yield Obstacle(ObstacleKind.PRODUCT_BUSY, text)
    if len(facts.lane) >= facts.lanes.jobs > 0:
        yield Obstacle(ObstacleKind.LANE_BUSY, f"lane busy with {_listed(facts.lane)}")
    if facts.jobs_before:
        more = "more than " if facts.jobs_before_capped else ""
        jobs = "job" if facts.jobs_before == 1 else "jobs"
        text = f"priority: {more}{facts.jobs_before} {jobs} of its lane before it"
        yield Obstacle(ObstacleKind.PRIORITY, text)
    places = facts.marketplace_places
    if due and places is not None and facts.marketplace_taken >= places:
        # The end is not known: the jobs that have the places may keep them longer than any
        # closure lasts.
        yield Obstacle(
            ObstacleKind.PLACES_TAKEN, f"all {places:,} places of its marketplace are taken"
        )


def _scheduled(facts: WaitingFacts) -> str:
    when = _moment(facts.run_at)
    if facts.stored_reason:
        return f"{facts.stored_reason} (scheduled for {when})"
    return f"retry at {when}" if facts.retry_count else f"scheduled for {when}"


def _away(facts: WaitingFacts) -> str:
    text = not_connected_message(facts.user_id)
    if facts.seller_away_since is None:
        return text
    return f"{text} (away since {_moment(facts.seller_away_since)})"


def _listed(jobs: tuple[OtherJob, ...]) -> str:
    return ", ".join(map(str, jobs[:3])) + (f" and {len(jobs) - 3} more" if jobs[3:] else "")


def _moment(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="seconds")
