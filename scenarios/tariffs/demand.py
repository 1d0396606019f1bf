"""What the highest demand costs: a charge for each kW of it and each day of supply. Pure, integers only.

Of the local month that is billed, or of as many months with it as a tariff says: the highest of all, or the mean of the
months' highest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MONTHS_MAX = 12
_PARTS = 1_000  # W a kW


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandCharge:
    """A price for each kW of the highest mean of a slot in the customer's local months, each day that is supplied in one."""

    upence_per_kw_day: int
    least_w: int = 0  # charged for where the demand of a month is lower
    months: int = 1  # that are looked at: the one that is charged for and those before it
    is_mean: bool = False  # of the months' highest; else the highest of all

    def charged_w(self, of_months_w: Sequence[int]) -> int:
        """What is charged for [W], of the highest demand of each month that is looked at.

        A mean is rounded half to even to a whole W.
        """
        counted = [max(one, self.least_w) for one in of_months_w]
        if not self.is_mean:
            return max(counted, default=self.least_w)
        return _half_even(sum(counted), max(len(counted), 1))

    def cost_upence(self, charged_w: int, days: int) -> int:
        """What days of a month cost: the exact product, rounded half to even to a whole millionth of a penny."""
        return _half_even(charged_w * self.upence_per_kw_day * days, _PARTS)


def _half_even(parts: int, of: int) -> int:
    whole, rest = divmod(parts, of)
    return whole + (2 * rest > of or (2 * rest == of and whole % 2 == 1))
