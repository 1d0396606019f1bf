"""What customers ask of the platform: `[traffic]` of a scenario."""

from pydantic import Field

from scenarios.parts.base import Part, Share
from scenarios.parts.estate import Hours


class Burst(Part):
    """News, a price announcement say: `share` of all premises' customers look at their usage within `over_h`."""

    at_h: Hours
    share: Share
    over_h: float = Field(strict=True, default=1.0, gt=0, le=150)


class Traffic(Part):
    """What customers ask, a premises and day; zero switches a query off."""

    usage_month_per_premises_day: float = Field(strict=True, default=0.2, ge=0, le=100)
    intervals_day_per_premises_day: float = Field(strict=True, default=0.1, ge=0, le=100)
    state_per_premises_day: float = Field(strict=True, default=0.1, ge=0, le=100)
    comparison_per_premises_day: float = Field(strict=True, default=0.0, ge=0, le=100)
    bill_per_premises_day: float = Field(strict=True, default=0.0, ge=0, le=100)
    ihd_refresh_per_premises_day: float = Field(strict=True, default=0.0, ge=0, le=100)
    bursts: tuple[Burst, ...] = Field(default=(), max_length=8)
    customer_pause_s: float = Field(
        strict=True,
        default=20.0,
        gt=0,
        le=86_400,
        description="wall time between two visits of a Locust customer, mean",
    )
    customer_think_s: float = Field(
        strict=True, default=2.0, ge=0, le=3_600, description="wall time between two pages of a visit, mean"
    )
