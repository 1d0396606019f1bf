"""Which data centre serves the homes of a lost one: `[run.failover]` of a scenario.

It stands beside the time-outs and attempts of `[run]`, and not in `[topology]`: it is what clients do, and nothing of the
cluster changes by it.
"""

from collections.abc import Collection

from pydantic import Field

from scenarios.parts.base import Name, Part

DCS_MAX = 8


class Failover(Part):
    """When a sender's operations of a data centre's homes go to another one, and when they go back."""

    to: dict[Name, Name] = Field(
        min_length=1, max_length=DCS_MAX, description="by data centre: the one that serves its homes when it is lost"
    )
    after_s: float = Field(
        strict=True, default=2.0, ge=0.1, le=3_600, description="without a connection to any of its nodes"
    )
    back_after_s: float = Field(
        strict=True, default=5.0, ge=0, le=3_600, description="with connections to all of its nodes"
    )


def require_stand_ins(failover: Failover, business_dcs: Collection[str]) -> None:
    """Raises ValueError for a failover that names a data centre without homes, or one to itself."""
    for dc, stand_in in failover.to.items():
        for name in (dc, stand_in):
            if name not in business_dcs:
                raise ValueError(
                    f"run.failover.to: '{name}' is no business data centre, which alone have homes; there are "
                    f"{', '.join(business_dcs)}"
                )
        if dc == stand_in:
            raise ValueError(
                f"run.failover.to: {dc} can't stand in for itself; name another data centre, or leave it out"
            )
