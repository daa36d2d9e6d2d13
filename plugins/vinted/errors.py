"""What a browser's "no" means, whatever words the browser plugin has for it. Pure."""

import re
from dataclasses import replace
from datetime import datetime
from enum import Enum

from runtime import CallRejected
from runtime.answers import AccountWords, Answer, Signals, read_answer


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


_CODES = {
    **{one.code: one for one in Trouble},
    "session_expired": Trouble.SESSION_ENDED,
    "not_logged_in": Trouble.SESSION_ENDED,
    "login_required": Trouble.SESSION_ENDED,
    "logged_out": Trouble.SESSION_ENDED,
    "unauthorized": Trouble.SESSION_ENDED,
    "forbidden": Trouble.BLOCKED,
    "wrong_account": Trouble.BLOCKED,
    "too_many_requests": Trouble.COOL_DOWN,
    "rate_limit": Trouble.COOL_DOWN,
    "gone": Trouble.GONE,
    "item_not_found": Trouble.GONE,
    "already_deleted": Trouble.GONE,
    "validation_error": Trouble.INVALID,
    "validation_failed": Trouble.INVALID,
}
# The reader below and the client know more; this is for a refusal that passed neither.
ACCOUNT_WORDS = AccountWords(
    session_ended=frozenset(code for code, one in _CODES.items() if one is Trouble.SESSION_ENDED),
    blocked_texts=("captcha", "datadome"),
)
_UNKNOWN_ACTION = re.compile(
    "(unknown|unsupported|no such|not a known).(action|command)|not.(implemented|supported)"
)
_BARE_STATUSES = {400, 404, 405, 422, 501}
_BLOCK = re.compile("captcha|blocked|challenge|datadome")
_STATUSES = {**{one.status: one for one in Trouble}, 400: Trouble.INVALID, 410: Trouble.GONE}


def trouble_of(refusal: CallRejected | Answer) -> Trouble | None:
    """What the answer says; None where it says nothing that is known.

    A code is more exact than a status: some plugins pass on a captcha with a status of 400.
    """
    code = (refusal.error_code or "").lower()
    if code in _CODES:
        return _CODES[code]
    if _BLOCK.search(code):
        return Trouble.BLOCKED
    if says_unknown_action(refusal):
        return None
    return _STATUSES.get(refusal.status or 0)


def is_gone(refusal: CallRejected) -> bool:
    """Return whether the thing that was asked for is not there."""
    return trouble_of(refusal) is Trouble.GONE


def says_unknown_action(refusal: CallRejected | Answer) -> bool:
    """Whether the browser plugin says that it does not know what it was asked for."""
    if refusal.error_code is not None:
        said = refusal.error_code
    elif refusal.status in {None, *_BARE_STATUSES}:
        said = str(refusal) if isinstance(refusal, CallRejected) else refusal.text
    else:
        return False
    return _UNKNOWN_ACTION.search(said.lower()) is not None


def may_not_know_action(refusal: CallRejected) -> bool:
    """Whether it may be an older browser plugin, rather than anything that passes."""
    is_bare = refusal.error_code is None and refusal.status in _BARE_STATUSES
    return is_bare or says_unknown_action(refusal)


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


def read_refusal(answer: Answer, now: datetime) -> Signals:
    """What an answer says of the account and its limits, whatever its words for it."""
    trouble = None if answer.good else trouble_of(answer)
    if trouble is None or _STATUSES.get(answer.status or 0) is trouble:
        return read_answer(answer, now, account_words=ACCOUNT_WORDS)
    return read_answer(replace(answer, status=trouble.status), now, account_words=ACCOUNT_WORDS)
