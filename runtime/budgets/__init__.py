"""Rate limits: pure arithmetic over times that it is given.

A call draws from every node of its path (:func:`runtime.closures.path`) and needs room in each.
"""

from runtime.budgets.limits import Budgets, Limit
from runtime.budgets.tree import Blocked, BudgetTree
from runtime.budgets.usage import Usage

__all__ = ["Blocked", "BudgetTree", "Budgets", "Limit", "Usage"]
