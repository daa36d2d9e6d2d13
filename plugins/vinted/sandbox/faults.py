"""The faults of a seller's browser, each of which a test can switch on."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class BrowserFaults:
    """The faults from now on.

    Attributes:
        only: the actions that have the faults; None means all.
        late: seconds that each answer is held back after its command was executed.
        twice: each answer is sent two times.
        never: commands are executed, and never answered.
        lost: the number of next commands that are neither executed nor answered.
        drop_after_executing: the next command is executed, then the socket drops before its
            answer is sent, and connects again.
        fails_after_executing: the number of next commands that are executed, and answered with 500.
        wordless: the number of next commands that are executed, and answered with an error that
            has neither a code nor a status.
        session_lost: Vinted wants the seller to log in (401).
        captcha: Vinted wants to see a human (403).
        rate_limited: Vinted wants to be left in peace (429).
        wrong_account: the id of the account that is logged in instead of the seller's.
        older_plugin: a sync is answered with a summary, and the wardrobe cannot be asked for.
        shapeless: each command is executed, and answered with an empty object.
        forgetful: the browser plugin does not remember the references of items.
        failing_pages: the number of times that each page of a sync still fails (500).
    """

    only: frozenset[str] | None = None
    late: float = 0.0
    twice: bool = False
    never: bool = False
    lost: int = 0
    drop_after_executing: bool = False
    fails_after_executing: int = 0
    wordless: int = 0
    session_lost: bool = False
    captcha: bool = False
    rate_limited: bool = False
    wrong_account: str | None = None
    older_plugin: bool = False
    shapeless: bool = False
    forgetful: bool = False
    failing_pages: Counter[int] = field(default_factory=Counter)

    def concern(self, action: str) -> bool:
        """Return whether the faults concern this action."""
        return self.only is None or action in self.only


class CommandRejected(Exception):
    """Raised when Vinted or the browser plugin refuses a command."""

    def __init__(self, status: int | None, error_code: str | None, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code
