"""The lane policy: which jobs of a marketplace share a lane, and how many of them run. Pure.

If browsers execute the jobs, a lane is a seller; if not, it is a shop. The key, the room and the
need for a connected seller change together, so a marketplace's record makes the policy once, and
nobody else asks whether browsers execute the jobs.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LanePolicy:
    """The lanes of one marketplace.

    Attributes:
        jobs: the number of jobs of one lane that run at once.
        calls: the number of calls of one lane that are in flight at once.
        needs_seller: whether a lane is a seller and is served only while that seller's browser is
            connected. If not, a lane is a shop.
    """

    jobs: int
    calls: int
    needs_seller: bool = False

    def key(self, shop_id: int, user_id: int) -> int:
        """Return the key of the lane to which the jobs of a seller's shop belong."""
        return user_id if self.needs_seller else shop_id

    def is_served(self, seller_connected: bool) -> bool:
        """Return whether jobs of a lane can run now, as far as its seller is concerned."""
        return seller_connected or not self.needs_seller


SELLER_LANES = LanePolicy(jobs=1, calls=1, needs_seller=True)
"""The policy of browsers: one browser does one thing at a time."""
