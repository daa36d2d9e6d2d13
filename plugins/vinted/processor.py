"""VintedJobProcessor: a name of the former system, which stays for its callers."""

import warnings
from typing import Any

from sqlalchemy.orm import Session

from runtime.applications import MarketplaceJobProcessor


class VintedJobProcessor(MarketplaceJobProcessor):
    """The same as ``MarketplaceJobProcessor(..., marketplace="vinted")``."""

    def __init__(self, db: Session, user_id: int, shop_id: int | None = None, **more: Any) -> None:
        warnings.warn(
            "VintedJobProcessor is deprecated: use "
            'runtime.applications.MarketplaceJobProcessor(..., marketplace="vinted")',
            DeprecationWarning,
            stacklevel=2,
        )
        super().__init__(db, user_id, shop_id, "vinted", **more)
