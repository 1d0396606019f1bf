"""What a month's highest demand costs: a charge for each kW of it and each day of supply. Pure, integers only."""

from dataclasses import dataclass

_PARTS = 1_000  # W a kW


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandCharge:
    """A price for each kW of the highest mean of a slot in the customer's local month, each day that is supplied in it."""

    upence_per_kw_day: int
    least_w: int = 0  # charged for where the month's demand is lower

    def charged_w(self, highest_w: int) -> int:
        """What is charged for of a month's highest demand [W]."""
        return max(highest_w, self.least_w)

    def cost_upence(self, highest_w: int, days: int) -> int:
        """What days of a month cost: the exact product, rounded half to even to a whole millionth of a penny."""
        whole, rest = divmod(self.charged_w(highest_w) * self.upence_per_kw_day * days, _PARTS)
        return whole + (2 * rest > _PARTS or (2 * rest == _PARTS and whole % 2 == 1))
