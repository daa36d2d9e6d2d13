"""What the runtime is told of a marketplace: one record, brought by one of its handlers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from runtime.answers.error_answers import ReadRefusal
from runtime.answers.limit_signals import LimitHeaders, LimitInquiry, ReadAnswer, read_answer
from runtime.marketplaces.simulation import OpenAccount
from runtime.rate_limits import Budgets
from runtime.runs.account_trouble import AccountWords
from runtime.runs.execution import End
from runtime.runs.job import Job
from runtime.runs.settlement import Settlement, settlement_of
from runtime.waiting.lane_policy import SELLER_LANES, LanePolicy


@dataclass(frozen=True, slots=True)
class ActionType:
    """A row for ``public.marketplace_action_types``; inserted when missing, never changed."""

    code: str
    name: str
    description: str = ""
    priority: int = 3
    is_batch: bool = False
    rate_limit: timedelta = timedelta(seconds=2)
    max_retries: int = 3
    timeout: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class OAuth2:
    """How sellers let the runtime act for their shops.

    Attributes:
        hint: what the operator has to set, for messages.
        client_id: None where the operator has not set it.
        secret_in_header: the token endpoint wants HTTP Basic; else the client id in the form.
        redirect_uri: by what name the marketplace knows where answers go; None: their address.
        scopes: what a seller is asked for.
        application_scopes: what a token of the application itself is asked for.
        token_prefix: of the ``Authorization`` header.
    """

    authorize_url: str
    token_url: str
    hint: str
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    secret_in_header: bool = False
    redirect_uri: str | None = None
    scopes: tuple[str, ...] = ()
    application_scopes: tuple[str, ...] = ()
    pkce: bool = False
    token_prefix: str = "Bearer"


@dataclass(frozen=True, slots=True)
class ShopSetting:
    """A setting that each shop of a marketplace can have.

    Attributes:
        is_json: the value is JSON (an object, a list, a number); else text.
        pattern: what a text has to match as a whole.
        example: for messages; a value that is JSON has to be of its kind.
    """

    description: str
    is_json: bool = False
    pattern: str | None = None
    example: str | None = None


@dataclass(frozen=True, slots=True)
class Identification:
    """How to learn which account a seller consented for.

    Attributes:
        path: read with ``GET``, relative to the base URL.
        read: takes the answer; gives the account's external id, and its name where known.
    """

    path: str
    read: Callable[[Any], tuple[str, str | None]]


@dataclass(frozen=True, slots=True)
class Marketplace:
    """What the runtime must know of a marketplace.

    Attributes:
        name: as in handler keys; no underscore.
        browser_bound: its jobs are executed by the seller's browser.
        base_url: what paths of ``call_http`` are relative to.
        default_headers: sent with every HTTP call.
        concurrency: how many jobs run at once on the whole.
        lane_concurrency: how many jobs of one lane run at once; 1 where a browser executes.
        lane_calls: how many calls of one lane are in flight at once; 1 where a browser executes.
        budgets: the limits that its calls keep to, until it announces others.
        limit_headers: in which headers of its own its answers announce limits.
        account_words: how it says that it has something against a seller's account.
        read_answer: what its answers say of limits and of the account; a pure function. None: as
            most marketplaces mean it, with these headers and words.
        limit_inquiry: where to ask after a 429 that says nothing.
        auth: how its HTTP calls are authorized; None: not at all.
        identification: asked after a consent; None: the operator names the account.
        read_refusal: what its error answers say; a pure function.
        shop_settings: by name.
        sandbox: opens an account on a simulation of it, for the demo.
    """

    name: str
    browser_bound: bool = False
    base_url: str | None = None
    default_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    concurrency: int = 1000
    lane_concurrency: int = 8
    lane_calls: int = 8
    action_types: tuple[ActionType, ...] = ()
    budgets: Budgets = field(default_factory=Budgets)
    limit_headers: tuple[LimitHeaders, ...] = ()
    account_words: AccountWords = field(default_factory=AccountWords)
    read_answer: ReadAnswer | None = None
    limit_inquiry: LimitInquiry | None = None
    auth: OAuth2 | None = None
    identification: Identification | None = None
    read_refusal: ReadRefusal | None = None
    shop_settings: Mapping[str, ShopSetting] = field(default_factory=dict)
    sandbox: OpenAccount | None = None

    @property
    def lanes(self) -> LanePolicy:
        """Which of its jobs share a lane, and what a lane has room for."""
        if self.browser_bound:
            return SELLER_LANES
        return LanePolicy(self.lane_concurrency, self.lane_calls)

    def settle(self, job: Job, end: End, now: datetime) -> Settlement:
        """What the end of a run means for its job, read with the words of this marketplace."""
        return settlement_of(
            job, end, now, browser_bound=self.browser_bound, words=self.account_words
        )

    @property
    def read_commonly(self) -> ReadAnswer:
        """Reads its answers as most marketplaces mean them, with its own headers and words."""
        return partial(
            read_answer, limit_headers=self.limit_headers, account_words=self.account_words
        )
