"""The record of a marketplace, by which one of its handlers tells the runtime all about it."""

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
    """A row for ``public.marketplace_action_types``.

    The row is inserted if it is missing, and never changed.
    """

    code: str
    name: str
    description: str = ""
    priority: int = 3
    is_batch: bool = False
    # The defaults are those of the table's columns, in which an application may insert rows itself.
    rate_limit: timedelta = timedelta(seconds=2)
    max_retries: int = 3
    timeout: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class OAuth2:
    """The way in which sellers let the runtime act for their shops.

    Attributes:
        hint: the settings that the operator has to make, for messages.
        client_id: the id of the application; None if the operator has not set it.
        secret_in_header: whether the token endpoint wants HTTP Basic. If not, it gets the client
            id in the form.
        redirect_uri: the marketplace's name for the address of its answers; None if it is the
            address itself.
        scopes: the permissions that a seller is asked for.
        application_scopes: the permissions of a token of the application itself.
        token_prefix: the first word of the ``Authorization`` header.
    """

    authorize_url: str
    token_url: str
    hint: str
    client_id: str | None = None
    # The repr may reach a log.
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
        is_json: whether the value is JSON (an object, a list, a number). If not, it is text.
        pattern: a regular expression that a text has to match as a whole.
        example: a value for messages; a JSON value has to be of the kind of the example.
    """

    description: str
    is_json: bool = False
    pattern: str | None = None
    example: str | None = None


@dataclass(frozen=True, slots=True)
class Identification:
    """The way to learn for which account a seller consented.

    Attributes:
        path: the path that is read with ``GET``, relative to the base URL.
        read: takes the answer; returns the account's external id, and its name or None.
    """

    path: str
    read: Callable[[Any], tuple[str, str | None]]


@dataclass(frozen=True, slots=True)
class Marketplace:
    """The record of a marketplace.

    Attributes:
        name: the name as in handler keys; it has no underscore.
        browser_bound: whether the seller's browser executes the jobs.
        base_url: the URL to which paths of ``call_http`` are relative.
        default_headers: headers that are sent with every HTTP call.
        concurrency: the number of jobs that run at once in all lanes together.
        lane_concurrency: the number of jobs of one lane that run at once; always 1 in a browser.
        lane_calls: the number of calls of one lane in flight at once; always 1 in a browser.
        budgets: the limits that its calls keep to, until its answers announce others.
        limit_headers: its own headers in which its answers announce limits.
        account_words: the words by which it says that it has something against an account.
        read_answer: a pure function that reads limits and account trouble in its answers. If it
            is None, they are read as most marketplaces mean them, with these headers and words.
        limit_inquiry: the resource to ask after a 429 that says nothing, or None.
        auth: the authorization of its HTTP calls; None if they need none.
        identification: is asked after a consent; if it is None, the operator names the account.
        read_refusal: a pure function that reads its error answers, or None.
        shop_settings: the settings of its shops by their names.
        sandbox: opens an account on a simulation of the marketplace, for the demo.
    """

    name: str
    browser_bound: bool = False
    base_url: str | None = None
    # Headers may hold an API key, and the repr may reach a log.
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
        """The lane policy of the marketplace."""
        # A plugin only declares that a browser executes its jobs. A browser does one thing at a
        # time, so the lane numbers of such a plugin do not count.
        if self.browser_bound:
            return SELLER_LANES
        return LanePolicy(self.lane_concurrency, self.lane_calls)

    def settle(self, job: Job, end: End, now: datetime) -> Settlement:
        """Return the settlement of an ended run, read with the words of this marketplace."""
        return settlement_of(
            job, end, now, browser_bound=self.lanes.needs_seller, words=self.account_words
        )

    @property
    def read_commonly(self) -> ReadAnswer:
        """The reader of answers as most marketplaces mean them, with its own headers and words."""
        return partial(
            read_answer, limit_headers=self.limit_headers, account_words=self.account_words
        )
