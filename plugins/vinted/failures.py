"""What a browser's "no" means, whatever words the browser plugin has for it. Pure."""

from enum import Enum

from runtime.errors import CallRejected


class Trouble(Enum):
    """Why Vinted, or the browser plugin, said no: the status and the code that stand for it.

    The first three speak of the seller's account, so that the runtime stops the account and
    not the job alone; it tells them by their status.
    """

    SESSION_ENDED = (401, "session_ended")
    BLOCKED = (403, "blocked")
    COOL_DOWN = (429, "rate_limited")
    GONE = (404, "not_found")
    INVALID = (422, "invalid")

    @property
    def status(self) -> int:
        """The HTTP status that says it."""
        return self.value[0]

    @property
    def code(self) -> str:
        """The error code that says it."""
        return self.value[1]


WRONG_ACCOUNT = "wrong_account"

_CODES = {
    **{one.code: one for one in Trouble},
    "session_expired": Trouble.SESSION_ENDED,
    "not_logged_in": Trouble.SESSION_ENDED,
    "login_required": Trouble.SESSION_ENDED,
    "unauthorized": Trouble.SESSION_ENDED,
    "captcha": Trouble.BLOCKED,
    "captcha_required": Trouble.BLOCKED,
    "account_blocked": Trouble.BLOCKED,
    "forbidden": Trouble.BLOCKED,
    WRONG_ACCOUNT: Trouble.BLOCKED,
    "too_many_requests": Trouble.COOL_DOWN,
    "rate_limit": Trouble.COOL_DOWN,
    "gone": Trouble.GONE,
    "item_not_found": Trouble.GONE,
    "already_deleted": Trouble.GONE,
    "validation_error": Trouble.INVALID,
    "validation_failed": Trouble.INVALID,
}
_STATUSES = {**{one.status: one for one in Trouble}, 400: Trouble.INVALID, 410: Trouble.GONE}


def trouble_of(error: CallRejected) -> Trouble | None:
    """What the answer says; None where it says nothing that is known.

    A code is more exact than a status: some plugins pass on a captcha with a status of 400.
    """
    code = (error.error_code or "").lower()
    if code in _CODES:
        return _CODES[code]
    return None if error.status is None else _STATUSES.get(error.status)


def sorted_out(error: CallRejected) -> CallRejected:
    """The same refusal, with the status that everybody else knows it by."""
    trouble = trouble_of(error)
    if trouble is None or _STATUSES.get(error.status or 0) is trouble:
        return error
    return CallRejected(
        str(error),
        status=trouble.status,
        error_code=error.error_code,
        writes=error.writes,
    )
