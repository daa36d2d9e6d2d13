"""Gives each refusal of a browser one meaning, whatever words the browser plugin uses. Pure.

The runtime sorts refusals by their status, and browser plugins have different words for the same
trouble. So each trouble gets one status here, and no handler has to read words::

    refusal ──► code known? ──► blocked in the code? ──► unknown action? ──► status known?
                    │                    │                      │                  │
                    ▼                    ▼                      ▼                  ▼
                 Trouble              BLOCKED            None (no trouble)      Trouble, or None
"""

import re
from dataclasses import replace
from datetime import datetime
from enum import Enum

from runtime import CallRejected
from runtime.answers import AccountWords, Answer, Signals, read_answer


class Trouble(Enum):
    """The reason why Vinted or the browser plugin refused, as a status and an error code.

    The first three concern the seller's account, so the runtime stops the whole account and not
    only the job. The runtime recognizes them by their status.
    """

    SESSION_ENDED = (401, "session_ended")
    BLOCKED = (403, "blocked")
    COOL_DOWN = (429, "rate_limited")
    GONE = (404, "not_found")
    INVALID = (422, "invalid")

    @property
    def status(self) -> int:
        """The HTTP status of this trouble."""
        return self.value[0]

    @property
    def code(self) -> str:
        """The error code of this trouble."""
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
# read_browser_answer and the client know more words. These few serve for a refusal that passed
# neither.
ACCOUNT_WORDS = AccountWords(
    session_ended=frozenset(code for code, one in _CODES.items() if one is Trouble.SESSION_ENDED),
    blocked_texts=("captcha", "datadome"),
)
_UNKNOWN_ACTION = re.compile(
    "(unknown|unsupported|no such|not a known).(action|command)|not.(implemented|supported)"
)
# With one of these statuses and no code, an older browser plugin may mean that it does not know the
# action. A 401, 403, 429 or a 500 is never taken for that, because it says something of the account
# or passes.
_BARE_STATUSES = {400, 404, 405, 422, 501}
_BLOCK = re.compile("captcha|blocked|challenge|datadome")
_STATUSES = {**{one.status: one for one in Trouble}, 400: Trouble.INVALID, 410: Trouble.GONE}


def trouble_of(refusal: CallRejected | Answer) -> Trouble | None:
    """Return the trouble that the answer tells of, or None if it tells of none that is known.

    A code is more exact than a status: some browser plugins pass on a captcha with a status of 400.
    """
    code = (refusal.error_code or "").lower()
    if code in _CODES:
        return _CODES[code]
    if _BLOCK.search(code):
        return Trouble.BLOCKED
    # This stands before the status: a browser plugin may refuse an unknown action with 404, and
    # read as a status this would mean that the listing is gone.
    if says_unknown_action(refusal):
        return None
    return _STATUSES.get(refusal.status or 0)


def is_gone(refusal: CallRejected) -> bool:
    """Return whether the thing that was asked for is not there."""
    return trouble_of(refusal) is Trouble.GONE


def says_unknown_action(refusal: CallRejected | Answer) -> bool:
    """Return whether the browser plugin says that it does not know the action."""
    if refusal.error_code is not None:
        said = refusal.error_code
    elif refusal.status in {None, *_BARE_STATUSES}:
        said = str(refusal) if isinstance(refusal, CallRejected) else refusal.text
    else:
        return False
    return _UNKNOWN_ACTION.search(said.lower()) is not None


def may_not_know_action(refusal: CallRejected) -> bool:
    """Return whether an older browser plugin may have refused, and not a trouble that passes."""
    is_bare = refusal.error_code is None and refusal.status in _BARE_STATUSES
    return is_bare or says_unknown_action(refusal)


def sorted_out(error: CallRejected) -> CallRejected:
    """Return the refusal with the one status that the runtime knows for its trouble."""
    trouble = trouble_of(error)
    if trouble is None or _STATUSES.get(error.status or 0) is trouble:
        return error
    return CallRejected(
        str(error),
        status=trouble.status,
        error_code=error.error_code,
        writes=error.writes,
    )


def read_browser_answer(answer: Answer, now: datetime) -> Signals:
    """Return what an answer tells of the account and its limits, whatever words it uses."""
    trouble = None if answer.good else trouble_of(answer)
    if trouble is None or _STATUSES.get(answer.status or 0) is trouble:
        return read_answer(answer, now, account_words=ACCOUNT_WORDS)
    return read_answer(replace(answer, status=trouble.status), now, account_words=ACCOUNT_WORDS)
