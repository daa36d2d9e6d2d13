"""Rate limits: pure arithmetic over the times that a caller passes in.

A call draws from every scope of its path (:func:`runtime.rate_limits.closures.path`), and needs
room in each of them.
"""

from runtime.rate_limits.limits import Budgets, Limit
from runtime.rate_limits.tree import Blocked, BudgetTree
from runtime.rate_limits.usage import Usage

__all__ = ["Blocked", "BudgetTree", "Budgets", "Limit", "Usage"]
