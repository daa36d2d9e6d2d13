"""How fast, and how patiently, the tests let the built-in marketplaces be called."""

from sqlalchemy import text

from runtime.storage.server.engine import Database

PATIENT_SECONDS = 60
"""An answer that a busy machine delays by seconds must not count as one that never came."""
IMPATIENT_SECONDS = 2
"""For the tests of what happens when no answer comes."""


def unpaced(database: Database, timeout_seconds: int = PATIENT_SECONDS) -> None:
    """Take the pace out of the table of action types, and say how long a call may take."""
    with database.session.begin() as session:
        session.execute(
            text(
                "UPDATE public.marketplace_action_types "
                "SET rate_limit_ms = 0, timeout_seconds = :timeout"
            ),
            {"timeout": timeout_seconds},
        )
