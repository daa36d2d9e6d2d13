"""Computes when a cron expression fires next in a time zone. Pure."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from runtime.errors import InputError

_FIELDS = 5
_EXAMPLE = '"0 6 * * MON-FRI" (minute, hour, day of month, month, day of week)'


def checked_cron(expression: str, timezone: str, after: datetime) -> str:
    """Return the expression, with single spaces between its fields.

    Args:
        after: the expression has to fire after this moment.

    Raises:
        InputError: the expression cannot be read, has seconds, or never fires; or the zone does
            not exist.
    """
    # CronSim also reads six fields, of which the first is seconds: then a mistake of one field
    # could fire a job each second.
    if not isinstance(expression, str) or len(expression.split()) != _FIELDS:
        raise InputError(
            f"the cron expression {expression!r} must have {_FIELDS} fields, such as {_EXAMPLE}"
        )
    normal = " ".join(expression.split())
    # Some mistakes, such as the 31st of February, only show when a time is looked for.
    next_firing(normal, timezone, after)
    return normal


def next_firing(expression: str, timezone: str, after: datetime) -> datetime:
    """Return the first moment after ``after`` at which the expression fires, in UTC.

    A time in the hour that the change to summer time skips fires right after that hour. A time
    in the hour that comes twice in autumn fires once, unless the expression fires every hour.

    Raises:
        InputError: the expression cannot be read, or never fires; or the zone does not exist.
    """
    local = after.astimezone(checked_zone(timezone))
    try:
        return next(CronSim(expression, local)).astimezone(UTC)
    except CronSimError as error:
        reason = str(error)
        reason = f"{reason[:1].lower()}{reason[1:]}"
        raise InputError(
            f"the cron expression {expression!r} cannot be used ({reason}): it has to look like "
            f"{_EXAMPLE} and to name days that exist"
        ) from None
    # CronSim gives up, or runs into the last year of datetime.
    except (StopIteration, OverflowError):
        raise InputError(
            f"the cron expression {expression!r} never fires: name a day that exists"
        ) from None


def checked_zone(name: str) -> ZoneInfo:
    """Return the IANA time zone of that name.

    Raises:
        InputError: there is no such zone.
    """
    try:
        return ZoneInfo(name)
    # A name is looked up as a path below the zones: a folder such as "Europe" is an OSError, and a
    # path that leads out of them a ValueError.
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise InputError(
            f"the time zone {name!r} is not known: give an IANA name such as Europe/Paris or UTC"
        ) from None
