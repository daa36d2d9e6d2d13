"""The sign of life of an actor: it shows whether the actor has handled one message for too long."""

from dataclasses import dataclass


@dataclass(slots=True)
class Pulse:
    """The sign of life; the actor's thread writes it, and the supervisor's thread reads it.

    Attributes:
        message_number: grows with every message.
        busy: whether a message is being handled.
        job_id: the job whose code runs, or None.
    """

    message_number: int = 0
    busy: bool = False
    job_id: int | None = None


class PulseWatch:
    """Counts looks at which an actor was still in the same message.

    Looks are counted rather than seconds: a process that was stopped and continued has looked once
    in the meantime, however long it stood still, and its actors did not hang.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        # No message has this number, so the first look counts nothing.
        self._message_number = -1
        self._looks = 0

    def hangs(self, pulse: Pulse) -> bool:
        """Look once; returns whether the actor was found in the same message too often."""
        if pulse.busy and pulse.message_number == self._message_number:
            self._looks += 1
        else:
            self._message_number, self._looks = pulse.message_number, 0
        return self._looks >= self._patience
