"""Bound the work of examining suspicious text, so that a body that consists of secrets does not take minutes.

Work is counted in steps, not measured as time: a request that is repeated must be masked in the same places.
"""

from typing import Final

STEPS: Final = 4_000_000
"""Steps for one request. A step takes about a microsecond, a secret some 30 steps."""


class BudgetSpent(Exception):
    """The steps of the request are used up."""


class Budget:
    """The steps that are left for a request."""

    def __init__(self, steps: int = STEPS) -> None:
        self._left = steps

    def spend(self, steps: int) -> None:
        """Use up steps. *raises*: BudgetSpent if none are left."""
        self._left -= steps
        if self._left <= 0:
            raise BudgetSpent
