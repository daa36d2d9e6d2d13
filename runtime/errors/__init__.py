"""The one tree of errors.

- MarketplaceRuntimeError
    - ConfigurationError: the service cannot start as it is set up
        - DataDirectoryError
        - PortInUse
        - DatabaseUnavailable: also while running, when the server is away
        - DatabaseNotMigrated
        - DatabaseConflict: the database holds a table of another program under our name
        - CredentialsUnreadable: no key fits a shop's credentials
    - InputError (also a ValueError): what the caller gave cannot be used
        - ActionTypeNotFound
        - ShopNotFound, ShopRequired
        - SellerRequired
        - JobNotFound
        - ProductNotFound
        - InvalidJson
        - InvalidProduct
        - DatabaseRefused
        - IllegalTransition
        - IdempotencyConflict
        - ConsentRefused: the seller, or the marketplace, did not let us act for a shop
            - ConsentDeclined: the seller, or the marketplace, said no to our question
        - ProductBusy
        - AlreadyPublished
        - BatchNotFound, ProductsNotFound
        - ScheduleNotFound, ScheduleExists
    - TokenError: the token does not prove who connects
    - WaitTimeout (also a TimeoutError)
    - CallFailed: a call did not succeed
        - CallRejected: the other side said no
        - NotSent: nothing left this machine
            - SellerNotConnected
            - BrowserNotReady
            - HeldUp: the call could have left only after the lease of its node
            - BudgetClosed: a scope of the rate limits is closed for now
            - NotAuthorized: the seller has to let us act for the shop again
        - OutcomeUnknown: the call may or may not have taken effect
            - CallTimeout
            - ConnectionLost
        - DidNotHappen: a look at the marketplace showed that the call took no effect
    - StepFailed: a recorded failure of a class that is not ours
    - CannotTell: a ``reconcile`` cannot find out whether the call took effect
    - HandlerError: the handler's own code is wrong; trying again cannot help
        - UnknownHandler, ForeignAwait, DuplicateStepName, InvalidCall
    - FenceLost: another run owns the job now
    - JobFailed: a handler's verdict that the job cannot succeed
        - ImageRefused
    - NeedsUser: a handler's verdict that a person has to act before the shop can be used

:class:`Snooze` and :class:`JobCancelled` steer a run; they are no failures.

Errors of libraries are mapped into this tree once, where they enter. Each message names the
thing that is wrong and the way out.
"""

from runtime.errors.calls import (
    BrowserNotReady,
    BudgetClosed,
    CallFailed,
    CallRejected,
    CallTimeout,
    ConnectionLost,
    DidNotHappen,
    HeldUp,
    NotAuthorized,
    NotSent,
    OutcomeUnknown,
    SellerNotConnected,
    not_connected_message,
)
from runtime.errors.configuration import (
    ConfigurationError,
    CredentialsUnreadable,
    DatabaseConflict,
    DatabaseNotMigrated,
    DatabaseUnavailable,
    DataDirectoryError,
    LockHeld,
    PortInUse,
)
from runtime.errors.inputs import (
    ActionTypeNotFound,
    AlreadyPublished,
    BatchNotFound,
    ConsentDeclined,
    ConsentRefused,
    DatabaseRefused,
    IdempotencyConflict,
    IllegalTransition,
    InputError,
    InvalidJson,
    InvalidProduct,
    JobNotFound,
    ProductBusy,
    ProductNotFound,
    ProductsNotFound,
    ScheduleExists,
    ScheduleNotFound,
    SellerRequired,
    ShopNotFound,
    ShopRequired,
    TokenError,
    WaitTimeout,
)
from runtime.errors.root import MarketplaceRuntimeError
from runtime.errors.runs import (
    CannotTell,
    DuplicateStepName,
    FenceLost,
    ForeignAwait,
    HandlerError,
    ImageRefused,
    InvalidCall,
    JobCancelled,
    JobFailed,
    NeedsUser,
    Snooze,
    StepFailed,
    UnknownHandler,
)
from runtime.errors.suppression import RejectionSuppressed

__all__ = [
    "ActionTypeNotFound",
    "AlreadyPublished",
    "BatchNotFound",
    "BrowserNotReady",
    "BudgetClosed",
    "CallFailed",
    "CallRejected",
    "CallTimeout",
    "CannotTell",
    "ConfigurationError",
    "ConnectionLost",
    "ConsentDeclined",
    "ConsentRefused",
    "CredentialsUnreadable",
    "DataDirectoryError",
    "DatabaseConflict",
    "DatabaseNotMigrated",
    "DatabaseRefused",
    "DatabaseUnavailable",
    "DidNotHappen",
    "DuplicateStepName",
    "FenceLost",
    "ForeignAwait",
    "HandlerError",
    "HeldUp",
    "IdempotencyConflict",
    "IllegalTransition",
    "ImageRefused",
    "InputError",
    "InvalidCall",
    "InvalidJson",
    "InvalidProduct",
    "JobCancelled",
    "JobFailed",
    "JobNotFound",
    "LockHeld",
    "MarketplaceRuntimeError",
    "NeedsUser",
    "NotAuthorized",
    "NotSent",
    "OutcomeUnknown",
    "PortInUse",
    "ProductBusy",
    "ProductNotFound",
    "ProductsNotFound",
    "RejectionSuppressed",
    "ScheduleExists",
    "ScheduleNotFound",
    "SellerNotConnected",
    "SellerRequired",
    "ShopNotFound",
    "ShopRequired",
    "Snooze",
    "StepFailed",
    "TokenError",
    "UnknownHandler",
    "WaitTimeout",
    "not_connected_message",
]
