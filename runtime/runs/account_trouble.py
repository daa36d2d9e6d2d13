"""Which answers speak of the seller's account, and not of the one request. Pure.

Such an answer closes the shop; the job that got it waits, and uses up no attempt.
"""

import re
from dataclasses import dataclass

from runtime.errors import CallRejected, NeedsUser, NotSent
from runtime.errors.program import PROGRAM
from runtime.errors.safe_text import safe_str
from runtime.rate_limits.closures import ClosureKind

UNAUTHORIZED = 401
FORBIDDEN = 403
SESSION_CODES = frozenset({"not_logged_in", "session_ended", "session_expired", "logged_out"})
_BLOCKED = re.compile(r"captcha|blocked|challenge", re.IGNORECASE)
_CAPTCHA = re.compile(r"captcha|datadome", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AccountTrouble:
    """What is wrong with an account.

    Attributes:
        kind: the kind of closure that its shop gets, until somebody opens it.
        reason: what a person has to do.
    """

    kind: ClosureKind
    reason: str


def account_trouble(
    error: BaseException, marketplace: str, shop_id: int, *, browser_bound: bool
) -> AccountTrouble | None:
    """The trouble that a refusal tells of; None where it is about the request alone."""
    resume = f"then `{PROGRAM} shops resume {shop_id}`"
    if isinstance(error, NeedsUser):
        return AccountTrouble(ClosureKind.NEEDS_USER, f"{safe_str(error)}, {resume}")
    if isinstance(error, NotSent) and error.error_code == ClosureKind.NEEDS_AUTH:
        # There was nothing to authorize the call with, so it did not even leave.
        return AccountTrouble(ClosureKind.NEEDS_AUTH, f"{safe_str(error)}, {resume}")
    if not isinstance(error, CallRejected):
        return None
    code = error.error_code or ""
    kind = trouble_kind(error.status, code, safe_str(error), from_browser=browser_bound)
    if kind is None:
        return None
    if kind is ClosureKind.NEEDS_AUTH:
        reason = f"{marketplace} refuses the authorisation of shop {shop_id}: connect it again"
    elif error.status == UNAUTHORIZED or code in SESSION_CODES:
        reason = f"{marketplace} ended the session of shop {shop_id}: log in again in the browser"
    else:
        why = code or error.status
        reason = f"{marketplace} stopped shop {shop_id} ({why}): look there as its seller"
    return AccountTrouble(kind, f"{reason}, {resume}")


def trouble_kind(
    status: int | None, code: str, text: str, *, from_browser: bool
) -> ClosureKind | None:
    """What a refusal of that status, code and text closes its shop for.

    A browser's 401 and 403 are always the account's: only its user can log in, and a marketplace
    that says 403 to a person's own browser has something against the session. An API says 403
    of a single listing too, so there the answer has to name a captcha or a block.
    """
    if not from_browser and status == UNAUTHORIZED:
        return ClosureKind.NEEDS_AUTH
    if from_browser and (status in {UNAUTHORIZED, FORBIDDEN} or code in SESSION_CODES):
        return ClosureKind.NEEDS_USER
    if status in {FORBIDDEN, None} and _BLOCKED.search(code):
        return ClosureKind.NEEDS_USER
    if status == FORBIDDEN and _CAPTCHA.search(text):
        return ClosureKind.NEEDS_USER
    return None
