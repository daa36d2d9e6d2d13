"""The names by which actors address each other."""

# Actors know these names and not each other, so a restarted actor is found like the first one.
SUPERVISOR = "supervisor"
BRIDGE = "bridge"
HTTP = "http"
RECORDER = "recorder"
SCHEDULES = "schedules"


def marketplace_actor(marketplace: str) -> str:
    """Return the name of the actor of a marketplace."""
    return f"marketplace:{marketplace}"
