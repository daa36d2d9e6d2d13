"""Errors and signals that end a run, or send it another way."""

from datetime import datetime

from runtime.errors.program import PROGRAM
from runtime.errors.root import MarketplaceRuntimeError
from runtime.errors.safe_text import safe_repr


# The journal cannot hold an exception of a foreign class. The live run raises this, too: what a
# handler catches must not depend on whether it crashed in between.
class StepFailed(MarketplaceRuntimeError):
    """A step failed in an earlier run, with an error of a class that is not this project's."""


class CannotTell(MarketplaceRuntimeError):
    """A ``reconcile`` raises this: the marketplace does not show whether the write happened."""


class HandlerError(MarketplaceRuntimeError):
    """The handler's own code is wrong; trying again cannot help."""


class UnknownHandler(HandlerError):
    """No usable handler has that key."""

    def __init__(self, key: str, reason: str | None = None) -> None:
        super().__init__(
            # Operators know the first words from the former system.
            f"Unknown action: {key}; "
            + (reason or "no installed handler plugin has that key")
            + f" (`{PROGRAM} handlers list` shows all)"
        )


class ForeignAwait(HandlerError):
    """The handler awaited something that is not a call."""

    def __init__(self, awaited: object) -> None:
        super().__init__(
            f"the handler awaited {safe_repr(awaited)}, which no event loop drives here: await "
            "self.call_http, self.call_websocket, self.sleep, self.step or self.gather, and wrap "
            "blocking work in self.run_blocking(function, ...)"
        )


class DuplicateStepName(HandlerError):
    """Two steps of one run have the same name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the step name {name!r} was used twice in one run: give each step a name of its own, "
            f"for example {name!r} with a number behind it"
        )


class InvalidCall(HandlerError):
    """A call has arguments with which it cannot be carried out."""


class FenceLost(MarketplaceRuntimeError):
    """Another run has claimed the job since, so this run must do nothing more."""

    def __init__(self, job_id: int, fence: int) -> None:
        super().__init__(f"job {job_id} is not owned under fence {fence} any more")


class JobFailed(MarketplaceRuntimeError):
    """A handler raises this: the job cannot succeed, and is not tried again."""


class NeedsUser(MarketplaceRuntimeError):
    """A handler raises this: the shop cannot be used before a person does what the message says.

    The shop is closed until somebody resumes it; its jobs wait, and use up no attempt.
    """


class ImageRefused(JobFailed):
    """An image may not be fetched, or cannot be used; another try would give the same."""


class Snooze(Exception):
    """A handler raises this to stop here and run again later; this uses up no attempt."""

    def __init__(self, until: datetime, reason: str = "") -> None:
        super().__init__(reason or f"snoozed until {until.isoformat()}")
        # Without a zone, the time would mean another moment on another machine.
        if until.utcoffset() is None:
            raise InvalidCall("Snooze(until) needs a datetime with a time zone")
        self.until = until
        self.reason = reason


class JobCancelled(BaseException):
    """The runtime throws this into a handler whose job was cancelled; let it pass.

    It is a ``BaseException``, so that a handler's ``except Exception`` does not catch it.
    """
