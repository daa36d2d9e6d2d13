"""Which answers speak of the seller's account, and not of the one request. Pure.

Such an answer closes the shop; the job that got it waits, and uses up no attempt.
"""

from dataclasses import dataclass

from runtime.closures import ClosureKind
from runtime.errors import CallRejected

UNAUTHORIZED = 401
FORBIDDEN = 403
_BLOCKED = ("captcha", "blocked")


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
    """The trouble that an answer tells of; None where it is about the request alone.

    A browser's 403 always is: a marketplace that shows it to a person's own browser has
    something against the session. An API says 403 of a single listing too, so there it takes a
    code that names a captcha or a block.
    """
    if not isinstance(error, CallRejected):
        return None
    resume = f"then `run.py shops resume {shop_id}`"
    if error.status == UNAUTHORIZED:
        step = "log in there again" if browser_bound else "let this application in again"
        reason = f"{marketplace} ended the session of shop {shop_id} (401): {step}, {resume}"
        return AccountTrouble(ClosureKind.NEEDS_AUTH, reason)
    if _names_a_block(error) or (browser_bound and error.status == FORBIDDEN):
        why = error.error_code or FORBIDDEN
        reason = f"{marketplace} stopped shop {shop_id} ({why}): look there as its seller, {resume}"
        return AccountTrouble(ClosureKind.NEEDS_USER, reason)
    return None


def _names_a_block(error: CallRejected) -> bool:
    """Some browser plugins know of a captcha without having seen a status."""
    code = (error.error_code or "").lower()
    return error.status in {FORBIDDEN, None} and any(word in code for word in _BLOCKED)
