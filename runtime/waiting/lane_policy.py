"""Which jobs of a marketplace share a lane, and what a lane has room for. Pure.

Where browsers execute the jobs, a lane is a seller; else it is a shop. Whatever depends on that
is asked of the policy, which a marketplace's record makes once.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LanePolicy:
    """The lanes of one marketplace.

    Attributes:
        jobs: how many jobs of one lane run at once.
        calls: how many calls of one lane are in flight at once.
        needs_seller: a lane is a seller, and is served only while that seller's browser is
            connected; else a lane is a shop.
    """

    jobs: int
    calls: int
    needs_seller: bool = False

    def key(self, shop_id: int, user_id: int) -> int:
        """The number of the lane to which the jobs of a seller's shop belong."""
        return user_id if self.needs_seller else shop_id

    def is_served(self, seller_connected: bool) -> bool:
        """Whether jobs of a lane can run now, as far as its seller is concerned."""
        return seller_connected or not self.needs_seller


SELLER_LANES = LanePolicy(jobs=1, calls=1, needs_seller=True)
"""One browser does one thing at a time."""
