"""Tells whether an answer speaks of the seller's account, and not of the one request. Pure.

Such an answer closes the shop; the job that got it waits, and uses up no attempt.
"""

from dataclasses import dataclass

from runtime.errors import CallRejected, NeedsUser, NotSent
from runtime.errors.program import PROGRAM
from runtime.errors.safe_text import safe_str
from runtime.rate_limits.closures import ClosureKind

UNAUTHORIZED = 401
FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class AccountWords:
    """The words by which a marketplace says that it has something against an account.

    They are needed because no status says it. All words are in lower case, and are found in any
    case. The defaults belong to no marketplace.

    Attributes:
        session_ended: error codes of a browser after which its user has to log in again.
        blocked_codes: parts of an error code; they count with a 403, or without a status.
        blocked_texts: parts of the text of a 403.
    """

    session_ended: frozenset[str] = frozenset()
    blocked_codes: tuple[str, ...] = ("captcha", "blocked", "challenge")
    blocked_texts: tuple[str, ...] = ("captcha",)

    def say_session_ended(self, status: int | None, code: str) -> bool:
        """Return whether a refusal by the browser means that its user has to log in again."""
        return status == UNAUTHORIZED or code.lower() in self.session_ended

    def say_blocked(self, status: int | None, code: str, text: str) -> bool:
        """Return whether a refusal speaks of the account although its status does not say so."""
        if status in {FORBIDDEN, None} and _contains(code, self.blocked_codes):
            return True
        return status == FORBIDDEN and _contains(text, self.blocked_texts)


NO_WORDS = AccountWords()


@dataclass(frozen=True, slots=True)
class AccountTrouble:
    """Trouble with an account.

    Attributes:
        kind: the kind of closure that the shop gets, until somebody opens it.
        reason: the words that tell a person what to do.
    """

    kind: ClosureKind
    reason: str


def account_trouble(
    error: BaseException,
    marketplace: str,
    shop_id: int,
    *,
    browser_bound: bool,
    words: AccountWords = NO_WORDS,
) -> AccountTrouble | None:
    """Return the trouble that a refusal tells of, or None if it is about the request alone.

    Args:
        browser_bound: whether the seller's browser executes the jobs of this marketplace.
        words: the marketplace's own words.
    """
    resume = f"then `{PROGRAM} shops resume {shop_id}`"
    # The handler has seen the trouble itself, perhaps in an answer whose status says nothing of it.
    if isinstance(error, NeedsUser):
        return AccountTrouble(ClosureKind.NEEDS_USER, f"{safe_str(error)}, {resume}")
    if isinstance(error, NotSent) and error.error_code == ClosureKind.NEEDS_AUTH:
        # There was nothing to authorize the call with, so it did not even leave.
        return AccountTrouble(ClosureKind.NEEDS_AUTH, f"{safe_str(error)}, {resume}")
    if not isinstance(error, CallRejected):
        return None
    code = error.error_code or ""
    kind = trouble_kind(
        error.status, code, safe_str(error), from_browser=browser_bound, words=words
    )
    if kind is None:
        return None
    # The reason names the way out, because it is what `jobs show` tells the seller.
    if kind is ClosureKind.NEEDS_AUTH:
        reason = f"{marketplace} refuses the authorisation of shop {shop_id}: connect it again"
    elif words.say_session_ended(error.status, code):
        reason = f"{marketplace} ended the session of shop {shop_id}: log in again in the browser"
    else:
        why = code or error.status
        reason = f"{marketplace} stopped shop {shop_id} ({why}): look there as its seller"
    return AccountTrouble(kind, f"{reason}, {resume}")


def trouble_kind(
    status: int | None, code: str, text: str, *, from_browser: bool, words: AccountWords
) -> ClosureKind | None:
    """Return the kind of closure that a refusal leads to, or None if the shop stays open.

    A browser's 401 and 403 are always the account's: only its user can log in, and a marketplace
    that says 403 to a person's own browser has something against the session. An API says 403
    of a single listing too, so there the answer has to name a captcha or a block.
    """
    # The token was renewed once before this answer counts, so its age is not the cause.
    if not from_browser and status == UNAUTHORIZED:
        return ClosureKind.NEEDS_AUTH
    if from_browser and (status == FORBIDDEN or words.say_session_ended(status, code)):
        return ClosureKind.NEEDS_USER
    return ClosureKind.NEEDS_USER if words.say_blocked(status, code, text) else None


def _contains(text: str, words: tuple[str, ...]) -> bool:
    lowered = text.lower()
    return any(word in lowered for word in words)
