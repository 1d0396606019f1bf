"""Questions over all homes that are asked while a storm goes on: `[[analytics]]` of a scenario."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from pydantic import Field

from scenarios.domain import DcRole
from scenarios.parts.base import Name, Part

ANALYTICS_MAX = 8


class HasRole(Protocol):
    """What is asked of a data centre."""

    @property
    def name(self) -> str: ...
    @property
    def role(self) -> DcRole: ...


class PlannedAnalytics(Part):
    """A job, and when it is done, in wall time of the storm: an export through a data centre for analytics, and the job on it."""

    job: Name = Field(description="as `meterstorm analyse jobs` lists them")
    at_s: float = Field(strict=True, ge=0, le=7 * 86_400, description="from the storm's start")
    every_s: float | None = Field(
        strict=True, default=None, ge=1, le=7 * 86_400, description="and again; none: it is done once"
    )
    dc: str | None = Field(default=None, description="that is read; none: the first of role 'analytics'")
    misdirected: bool = Field(
        default=False, description="a business data centre may be read: what the mistake costs is to be seen"
    )

    def __str__(self) -> str:
        again = "" if self.every_s is None else f" and every {self.every_s:g} s"
        return f"{self.job} at {self.at_s:g} s{again}"

    def dc_of(self, dcs: Iterable[HasRole]) -> str | None:
        """The data centre that it reads; None where there is none that it may."""
        allowed = [
            one.name for one in dcs if one.role is DcRole.ANALYTICS or (self.misdirected and self.dc == one.name)
        ]
        return (allowed[0] if allowed else None) if self.dc is None else (self.dc if self.dc in allowed else None)


def require_analytics(planned: Sequence[PlannedAnalytics], dcs: Sequence[HasRole], wall_s: float) -> None:
    """Raises ValueError for what begins after the storm, and for a data centre that it may not read or that there is not."""
    for number, one in enumerate(planned):
        where = f"analytics[{number}]"
        if one.at_s >= wall_s:
            raise ValueError(f"{where}: at_s {one.at_s:g} is beyond the end of the storm, run.wall_s {wall_s:g}")
        if one.misdirected and one.dc is None:
            raise ValueError(f"{where}: misdirected goes with dc, which says where")
        if one.dc_of(dcs) is None:
            if one.dc is not None and one.dc not in [dc.name for dc in dcs]:
                raise ValueError(
                    f"{where}: dc: there is no data centre '{one.dc}'; there are {', '.join(dc.name for dc in dcs)}"
                )
            what = (
                "the topology has no data centre with role 'analytics'"
                if one.dc is None
                else (f"{one.dc} is a business data centre")
            )
            raise ValueError(
                f"{where}: {what}, and a whole scan would be in the way of customers; misdirected = true with dc reads one all "
                "the same"
            )
