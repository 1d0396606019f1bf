"""What breaks at random while a storm goes on: `[nemesis]` of a scenario. `scenarios.levels.nemesis` draws the faults of it."""

from pydantic import Field, field_validator

from scenarios.parts.base import Part
from scenarios.parts.faults import FaultKind
from scenarios.texts.printable import shortened

DRAWN_KINDS = (FaultKind.KILL, FaultKind.STOP, FaultKind.PAUSE, FaultKind.SLOW, FaultKind.RESTART)
DRAWN_AT_SITES = (*DRAWN_KINDS, FaultKind.PARTITION)
"""Where the scenario has a distance between its data centres, and so sites."""


class Nemesis(Part):
    """Rates of random faults, a seed, and how many nodes may be down at one time. All times are wall time of the storm."""

    kinds: tuple[FaultKind, ...] = Field(
        default=(), max_length=len(FaultKind), description="none: all that can be drawn"
    )
    mean_between_s: float = Field(
        strict=True, default=10.0, ge=1, le=86_400, description="from one beginning to the next"
    )
    mean_for_s: float = Field(strict=True, default=8.0, ge=1, le=86_400, description="until a fault is healed")
    down_max: int | None = Field(
        strict=True,
        default=None,
        ge=0,
        le=256,
        description="nodes that may be down at one time; none: as many as the scenario's levels are served without",
    )
    seed: int | None = Field(strict=True, default=None, ge=0, le=2**32 - 1, description="none: run.seed")
    is_drawn: bool = Field(
        strict=True, default=False, description="its faults stand in [[faults]] already, as a run leaves them"
    )

    @field_validator("kinds", mode="before")
    @classmethod
    def _draws_what_it_can(cls, kinds: object) -> object:
        """Before kinds are looked up: a misspelled one is told those that can be drawn, not all of `[[faults]]`."""
        for kind in kinds if isinstance(kinds, list | tuple) else ():
            if isinstance(kind, str) and kind not in DRAWN_AT_SITES:
                raise ValueError(f"'{shortened(kind)}' can't be drawn; there are {', '.join(DRAWN_AT_SITES)}")
        return kinds
