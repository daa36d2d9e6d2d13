"""Reads what an answer says about limits and about the account: pure, for any marketplace."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runtime.answers.retry_after import reset_at, retry_after
from runtime.rate_limits.closures import ClosureKind, Level
from runtime.rate_limits.limits import LARGEST_COUNT, LONGEST_WINDOW, Limit
from runtime.runs.account_trouble import NO_WORDS, AccountWords, trouble_kind
from runtime.runs.answer import Answer, json_number
from runtime.runs.calls import HttpCall

TOO_MANY_REQUESTS = 429
UNAVAILABLE = 503
PROBES = 96
"""If a long quota is used up and nobody says until when, it is asked for so often in its window."""

SECOND = timedelta(seconds=1)
# These are in use under three names. The last is that of the draft standard, whose versions put the
# numbers into one header or into several.
FAMILIES = ("x-ratelimit", "x-rate-limit", "ratelimit")
# Numbers have at most nine digits: a stranger wrote them, and no limit is larger.
_WINDOW = re.compile(r"\b(\d{1,9})\s*;\s*w=(\d{1,9})\b", re.ASCII)
_REMAINING = re.compile(r"\b(?:remaining|r)=(\d{1,9})\b", re.ASCII)
_RESET = re.compile(r"\b(?:reset|t)=(\d{1,9})\b", re.ASCII)
_QUOTA_POLICY = re.compile(r"\bq=(\d{1,9})\s*;\s*w=(\d{1,9})\b", re.ASCII)


@dataclass(frozen=True, slots=True)
class LimitHeaders:
    """Two headers in which a marketplace announces a limit, beside those that many have.

    Attributes:
        limit: the name, in lower case, of the header that tells how many calls are allowed.
        remaining: the name, in lower case, of the header that tells how many calls remain.
        per: the window of both headers; only their names tell it, no value does.
    """

    limit: str
    remaining: str
    per: timedelta


@dataclass(frozen=True, slots=True)
class Announced:
    """A limit that an answer announces, and the number of calls that remain, or None."""

    limit: Limit
    remaining: int | None = None


@dataclass(frozen=True, slots=True)
class Signals:
    """The news in one answer.

    Attributes:
        refused: whether the call was refused because there were too many calls.
        until: the time until which the scope is closed, or None.
        limits: the limits that the scope must keep to from now on.
        needs: the kind of closure of the shop if a person has to do something, or None.
        reason: words for a person if something is closed.
        level: the level of the scope; None for the level that the marketplace declared.
        good: whether the shop works.
    """

    refused: bool = False
    until: datetime | None = None
    limits: tuple[Announced, ...] = ()
    needs: ClosureKind | None = None
    reason: str = ""
    level: Level | None = None
    good: bool = False

    @property
    def says_nothing(self) -> bool:
        """Whether the call was refused without a time."""
        return self.refused and self.until is None


ReadAnswer = Callable[[Answer, datetime], Signals]


@dataclass(frozen=True, slots=True)
class LimitInquiry:
    """A resource of the marketplace's API that tells the limits which a 429 did not tell.

    Attributes:
        call: the call that asks; it only reads.
        read: takes the answer, the path of the refused call, and the time; returns the signals.
    """

    call: HttpCall
    read: Callable[[Any, str, datetime], Signals]


def read_answer(
    answer: Answer,
    now: datetime,
    *,
    limit_headers: Sequence[LimitHeaders] = (),
    account_words: AccountWords = NO_WORDS,
) -> Signals:
    """Read an answer as most marketplaces mean it.

    Args:
        limit_headers: the marketplace's own headers, beside the standard ones.
        account_words: the marketplace's own words about accounts.
    """
    # Trouble of the account comes first: no time that the answer may announce would end it.
    if (needs := _needs(answer, account_words)) is not None:
        kind, reason = needs
        return Signals(needs=kind, reason=reason)
    limits = tuple(_announced(answer.headers, limit_headers))
    refused = answer.status == TOO_MANY_REQUESTS
    until, reason = None, ""
    # A 503 may say when to come back, too, but by itself it is no limit.
    if refused or answer.status == UNAVAILABLE:
        until = retry_after(answer.headers, now)
        reason = f"it answered {answer.status}" if until is not None or refused else ""
    used_up = _used_up(answer.headers, limits, now, refused=refused)
    if used_up is not None and (until is None or used_up > until):
        until, reason = used_up, "its quota is used up"
    return Signals(refused, until, limits, reason=reason, good=answer.good)


def _needs(answer: Answer, words: AccountWords) -> tuple[ClosureKind, str] | None:
    """Return the kind of closure and the words for a person, if the account has trouble."""
    code = answer.error_code or ""
    kind = trouble_kind(
        answer.status, code, answer.text, from_browser=answer.from_browser, words=words
    )
    if kind is None:
        return None
    if kind is ClosureKind.NEEDS_AUTH:
        return kind, "the marketplace refuses the shop's authorisation: connect it again"
    if words.say_session_ended(answer.status, code):
        return kind, "the session ended: log in again in the browser"
    return kind, "the marketplace blocked the session or asks for a captcha: open it in the browser"


def _announced(headers: Mapping[str, str], own: Sequence[LimitHeaders]) -> Iterator[Announced]:
    for named in own:
        yield from _one(json_number(headers.get(named.limit)), named.per,
                        json_number(headers.get(named.remaining)))  # fmt: skip
    for family in FAMILIES:
        text = ", ".join(headers.get(f"{family}{end}", "") for end in ("-policy", "-limit", ""))
        found = _WINDOW.search(text) or _QUOTA_POLICY.search(text)
        if found:
            remaining, _ = _remaining(headers, family)
            yield from _one(int(found[1]), timedelta(seconds=int(found[2])), remaining)
            return


def _remaining(headers: Mapping[str, str], family: str) -> tuple[int | None, str]:
    """Return the remaining calls and the text of the reset, from two headers or from one."""
    together = headers.get(family, "")
    remaining, reset = _REMAINING.search(together), _RESET.search(together)
    return (
        json_number(headers.get(f"{family}-remaining", remaining[1] if remaining else None)),
        headers.get(f"{family}-reset", reset[1] if reset else ""),
    )


def _one(count: int | None, per: timedelta, remaining: int | None) -> Iterator[Announced]:
    if count is not None and 0 < count <= LARGEST_COUNT and SECOND <= per <= LONGEST_WINDOW:
        yield Announced(Limit(count, per), remaining)


def _used_up(
    headers: Mapping[str, str], limits: tuple[Announced, ...], now: datetime, *, refused: bool
) -> datetime | None:
    """Return the time until which a quota is used up, or None.

    An announced time counts. If there is none, a short window is over after its length, and a long
    one is asked again after a part of it.
    """
    told = []
    for family in FAMILIES:
        remaining, filled_again = _remaining(headers, family)
        reset = reset_at(filled_again, now)
        if remaining == 0 and reset is not None:
            told.append(reset)
    guessed = [
        now + (one.limit.per if one.limit.is_paced else one.limit.per / PROBES)
        for one in limits
        # Of a short window the announced remainder is past when it arrives, so only a refusal
        # counts.
        if one.remaining == 0 and (refused or not one.limit.is_paced)
    ]
    return max(told or guessed, default=None)
